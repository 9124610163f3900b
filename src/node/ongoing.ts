// Turns a call on a session into what callers see: chunks, a checked output, a receipt, cancel.
// It must never keep a stream open that nobody reads.
// Next: contract/caller.ts says what each part promises; connector.ts and local_caller.ts make the calls.

import { type Clock, systemClock } from "../clock.ts";
import type { CallOptions, CallReceipt, Chunk, OngoingCall } from "../contract/caller.ts";
import { abortReason } from "../contract/pending_call.ts";
import { deferred } from "../deferred.ts";
import { fromErrorDocument, OperonError, toOperonError } from "../error.ts";
import { CHUNK_BYTES } from "../limits.ts";
import { decode, encode } from "../wire/codec.ts";
import { encodeRequest, type ResponseBody } from "../wire/envelope.ts";
import type { SentCall } from "../wire/session_events.ts";
import type { SendHalf, WireChunk } from "../wire/stream.ts";

/** How much longer than its deadline a call waits for the node's own word on it (ms). */
const DEADLINE_GRACE_MS = 1_000;

/** The signed bytes of a call. */
export function requestBytes(operation: string, input: unknown, options: CallOptions): Uint8Array {
  return encodeRequest({
    operation,
    input,
    ...(options.timeout_ms === undefined ? {} : { timeout_ms: Math.ceil(options.timeout_ms) }),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
  });
}

/**
 * A call as its caller sees it, once `sent` resolves; when it rejects, so does the call.
 * @param node key id of the node that serves it, known at the latest when it has answered
 */
export function ongoingCall(
  sent: Promise<SentCall> | SentCall,
  node: () => string | undefined,
  options: CallOptions & { readonly clock?: Clock },
): OngoingCall {
  return new Ongoing(sent, node, options);
}

class Ongoing implements OngoingCall {
  readonly receipt: Promise<CallReceipt | undefined>;
  readonly #output: Promise<unknown>;
  readonly #sent: Promise<SentCall>;
  readonly #node: () => string | undefined;
  readonly #giveUp: (reason: OperonError) => void;
  #call: SentCall | undefined;
  #cancelled: OperonError | undefined;
  #isReading = false;
  #isDiscarded = false;

  constructor(
    sent: Promise<SentCall> | SentCall,
    node: () => string | undefined,
    options: CallOptions & { readonly clock?: Clock },
  ) {
    const { promise: givenUp, reject } = deferred<never>();
    this.#giveUp = reject;
    this.#sent = Promise.race([sent, givenUp]);
    // What is sent after all, to a node that took long to reach, must not go on unseen.
    Promise.resolve(sent).then(
      (call) => this.#cancelled && call.cancel(),
      () => {},
    );
    this.#node = node;
    const { signal, timeout_ms, clock = systemClock } = options;
    const abort = () => this.cancel(abortReason(signal));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    // The node keeps the deadline; this is for one that went silent.
    const deadline =
      timeout_ms === undefined
        ? undefined
        : clock.after(timeout_ms + DEADLINE_GRACE_MS, () => this.cancel(noAnswer(timeout_ms)));
    const response = this.#run(options).finally(() => {
      deadline?.[Symbol.dispose]();
      signal?.removeEventListener("abort", abort);
    });
    this.receipt = response.then(
      ({ receipt }) => receipt,
      (error) => (error instanceof RefusedCall ? error.receipt : undefined),
    );
    this.#output = response.then(
      ({ output }) => output,
      (error) => {
        throw error instanceof RefusedCall ? error.error : error;
      },
    );
    // A caller may look at only one of the two.
    this.#output.catch(() => {});
  }

  get output(): Promise<unknown> {
    // Chunks nobody asked for are discarded, once the caller had a turn to ask.
    if (!this.#isReading) setImmediate(() => this.#discard());
    return this.#output;
  }

  get chunks(): AsyncIterable<Chunk> {
    if (this.#isDiscarded) throw chunksDiscarded();
    this.#isReading = true;
    return this.#chunks();
  }

  cancel(reason?: OperonError): void {
    this.#cancelled ??=
      reason ??
      new OperonError({
        code: "node.cancelled",
        kind: "cancelled",
        message: "The call was cancelled",
      });
    this.#call?.cancel();
    this.#giveUp(this.#cancelled);
  }

  async #run(options: CallOptions): Promise<{ output: unknown; receipt: CallReceipt | undefined }> {
    const call = await this.#sent;
    this.#call = call;
    if (this.#cancelled) call.cancel();
    // Not awaited: an answer may come while the source (a terminal, say) still has nothing to give.
    void this.#pump(options.outgoing, call);
    if (this.#isDiscarded) call.stream.incoming.discard();
    let response: ResponseBody;
    try {
      response = (await call.response).body;
    } catch (error) {
      throw this.#cancelled ?? error;
    }
    const receipt = response.receipt
      ? { node: this.#node() ?? "", ...response.receipt }
      : undefined;
    if (!response.ok) throw new RefusedCall(fromErrorDocument(response.error), receipt);
    return { output: response.output, receipt };
  }

  /** Sends the caller's stream. When its source fails, the call is cancelled: a cut stream must not pass for a whole one. */
  async #pump(source: AsyncIterable<unknown> | undefined, call: SentCall): Promise<void> {
    try {
      if (source) await pump(source, call);
      call.stream.outgoing.end();
    } catch (error) {
      this.cancel(toOperonError(error));
    }
  }

  #discard(): void {
    if (this.#isReading) return;
    this.#isDiscarded = true;
    this.#call?.stream.incoming.discard();
  }

  async *#chunks(): AsyncGenerator<Chunk, undefined> {
    const call = await this.#sent;
    try {
      for await (const chunk of call.stream.incoming) yield* toChunks(chunk);
    } catch (error) {
      throw this.#cancelled ?? error;
    }
    if (call.stream.incoming.isWhole) return undefined;
    // The stream of a failed call ends early: its reader must not take that for the end of the data.
    await this.#output;
    return undefined;
  }
}

/** Carries a refusal's receipt past the promise chain. */
class RefusedCall {
  readonly error: OperonError;
  readonly receipt: CallReceipt | undefined;

  constructor(error: OperonError, receipt: CallReceipt | undefined) {
    this.error = error;
    this.receipt = receipt;
  }
}

function* toChunks(chunk: WireChunk): Generator<Chunk> {
  if (!chunk.values) return yield { kind: "bytes", channel: chunk.channel, bytes: chunk.payload };
  const items = decode(chunk.payload);
  if (!Array.isArray(items))
    throw new OperonError({
      code: "wire.message_invalid",
      kind: "internal",
      message: "A peer sent values that are no list",
    });
  for (const value of items) yield { kind: "value", value };
}

async function pump(source: AsyncIterable<unknown>, call: SentCall): Promise<void> {
  const writer = new ItemWriter(call.stream.outgoing);
  for await (const item of source) {
    if (call.stream.cancellation.isCancelled) return;
    if (item instanceof Uint8Array) await call.stream.outgoing.write(item);
    else await writer.write(item);
  }
  await writer.flush();
}

/** Gathers values into chunks: as many as come in one turn of the event loop, at most half a chunk's bytes. */
export class ItemWriter {
  readonly #half: SendHalf;
  #items: Uint8Array[] = [];
  #bytes = 0;
  #isScheduled = false;
  #writing: Promise<void> | undefined;

  constructor(half: SendHalf) {
    this.#half = half;
  }

  /** Queues a value; waits while the stream has no credit. @throws OperonError `wire.value_too_large` */
  async write(value: unknown): Promise<void> {
    const encoded = encode(value);
    if (encoded.byteLength > CHUNK_BYTES - 16) {
      throw new OperonError({
        code: "wire.value_too_large",
        kind: "resource_exhausted",
        message: "One value of a stream does not fit a chunk",
      });
    }
    if (this.#bytes + encoded.byteLength > CHUNK_BYTES - 16) await this.flush();
    this.#items.push(encoded);
    this.#bytes += encoded.byteLength;
    if (this.#bytes >= CHUNK_BYTES / 2) return this.flush();
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flush().catch(() => {});
    });
  }

  /** Sends what is queued. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
    if (this.#items.length === 0) return;
    const payload = encodeArray(this.#items, this.#bytes);
    this.#items = [];
    this.#bytes = 0;
    this.#writing = this.#half.writeValues(payload).finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }
}

/** A msgpack array of values that are encoded already (array 32, so that the header's size is fixed). */
function encodeArray(items: readonly Uint8Array[], bytes: number): Uint8Array {
  const payload = new Uint8Array(5 + bytes);
  payload[0] = 0xdd;
  new DataView(payload.buffer).setUint32(1, items.length);
  let offset = 5;
  for (const item of items) {
    payload.set(item, offset);
    offset += item.byteLength;
  }
  return payload;
}

function chunksDiscarded(): OperonError {
  return new OperonError({
    code: "node.chunks_discarded",
    kind: "failed_precondition",
    message: "The call's stream was given up, because its output was awaited without reading it",
    hint: "Iterate the chunks first, then await the output",
  });
}

function noAnswer(timeoutMs: number): OperonError {
  return new OperonError({
    code: "node.deadline_exceeded",
    kind: "deadline_exceeded",
    message: `No answer came within ${timeoutMs} ms, not even that the call was stopped`,
    hint: "The call may have been done or not: the node's audit log tells; operon node ping shows whether the node is reachable",
  });
}
