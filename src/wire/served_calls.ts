// The calls the peer made on a session: stream ids, limits, responses, cancel.
// It must never let a peer hold more calls than the limit, whether they are live or still stopping after a cancel.
// Next: sent_calls.ts is the other direction; session.ts owns both.

import { OperonError, toOperonError } from "../error.ts";
import { CALLS_PER_SESSION_MAX, ENVELOPE_BYTES_MAX } from "../limits.ts";
import { CallStream } from "./call_stream.ts";
import { encodeResponse, type ResponseBody } from "./envelope.ts";
import type { Outbox } from "./outbox.ts";
import type { ResponseParts } from "./session_events.ts";
import type { StreamPort } from "./stream.ts";

/** What the table of calls needs. */
export interface ServedCallsOptions {
  /** 1 when the peer opened the socket, else 2. */
  readonly firstId: 1 | 2;
  readonly port: StreamPort;
  readonly outbox: Outbox;
}

/** Calls being served, by stream id. */
export class ServedCalls {
  readonly #options: ServedCallsOptions;
  readonly #live = new Map<number, CallStream>();
  /** Cancelled by the peer, but their work is not over: opening and cancelling quickly must not pile up work. */
  readonly #stopping = new Set<CallStream>();
  #lastId = 0;

  constructor(options: ServedCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#live.size;
  }

  /** Whether so many cancelled calls are still stopping that a new one must be refused. */
  get isCrowded(): boolean {
    return this.#live.size + this.#stopping.size > 2 * CALLS_PER_SESSION_MAX;
  }

  /** The stream of a live call. */
  find(id: number): CallStream | undefined {
    return this.#live.get(id);
  }

  /** Whether the peer ever opened the stream. */
  hasOpened(id: number): boolean {
    return id % 2 === this.#options.firstId % 2 && id <= this.#lastId && id > 0;
  }

  /** Opens a stream the peer asked for. @throws OperonError `wire.stream_id_invalid`, `wire.too_many_calls` */
  accept(id: number): CallStream {
    if (id % 2 !== this.#options.firstId % 2 || id <= this.#lastId) throw streamIdInvalid();
    this.#lastId = id;
    if (this.#live.size >= CALLS_PER_SESSION_MAX) throw tooManyCalls();
    const stream = new CallStream(id, this.#options.port);
    this.#live.set(id, stream);
    return stream;
  }

  /** Answers a call with a body; a body that cannot be sent becomes an error. Never throws. */
  respond(stream: CallStream, digest: Uint8Array, parts: ResponseParts): void {
    if (this.#isLive(stream)) this.#send(stream, responseBytes(digest, parts));
  }

  /** Answers a call with bytes that are a response already. */
  respondBytes(stream: CallStream, bytes: Uint8Array): void {
    if (this.#isLive(stream)) this.#send(stream, bytes);
  }

  /** The peer gave up. */
  cancelled(id: number): void {
    const stream = this.#live.get(id);
    if (!stream) return;
    this.#live.delete(id);
    this.#stopping.add(stream);
    stream.abort(
      new OperonError({
        code: "node.cancelled",
        kind: "cancelled",
        message: "The caller cancelled the call",
      }),
    );
  }

  /** Aborts every call. */
  end(failure: OperonError): void {
    for (const stream of this.#live.values()) stream.abort(failure);
    this.#live.clear();
    this.#stopping.clear();
  }

  #isLive(stream: CallStream): boolean {
    this.#stopping.delete(stream);
    return this.#live.get(stream.id) === stream;
  }

  #send(stream: CallStream, bytes: Uint8Array): void {
    this.#live.delete(stream.id);
    stream.finish();
    this.#options.outbox.response(stream.id, bytes);
  }
}

/** Too many calls of one peer at once. */
export function tooManyCalls(): OperonError {
  return new OperonError({
    code: "wire.too_many_calls",
    kind: "resource_exhausted",
    message: `A peer may have ${CALLS_PER_SESSION_MAX} calls under way`,
    hint: "Wait for some of them to end",
  });
}

function responseBytes(digest: Uint8Array, parts: ResponseParts): Uint8Array {
  try {
    const bytes = encodeResponse({ ...parts, request: digest } as ResponseBody);
    if (bytes.byteLength <= ENVELOPE_BYTES_MAX) return bytes;
    return encodeResponse({ request: digest, ok: false, error: OUTPUT_TOO_LARGE });
  } catch (error) {
    const { message } = toOperonError(error);
    return encodeResponse({
      request: digest,
      ok: false,
      error: { code: "node.output_invalid", kind: "internal", message },
    });
  }
}

const OUTPUT_TOO_LARGE = new OperonError({
  code: "node.output_too_large",
  kind: "resource_exhausted",
  message: "The operation's output does not fit one response",
  hint: "Ask for less at once",
}).toDocument();

function streamIdInvalid(): OperonError {
  return new OperonError({
    code: "wire.stream_id_invalid",
    kind: "data_loss",
    message: "A peer used a stream id twice or out of order",
    hint: "The peer's software breaks the protocol; compare versions with operon node info",
  });
}
