// A node as an object: methods made from the definitions, streams in the forms JavaScript has for them.
// It must never know an operation by name: each call is a signed request, described by the definitions.
// Next: typed_peer.ts gives it its types; contract/caller.ts is what it stands on.

import type { Caller, CallOptions, CallReceipt, Chunk, OngoingCall } from "../contract/caller.ts";
import type { CapabilityDescription, OperationDescription } from "../contract/description.ts";
import { failedCall } from "../contract/pending_call.ts";
import { commandTag } from "./command.ts";
import { toChunks } from "./send.ts";

/** What a call takes as the caller's stream: `Item`s in an iterable or a web stream; for bytes also texts, and one alone. */
export type Sendable<Item> =
  | AsyncIterable<Item>
  | Iterable<Item>
  | ReadableStream<Item>
  | ([Item] extends [Uint8Array]
      ? Uint8Array | string | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>
      : never);

/** Options of one call. */
export interface PeerCallOptions<Item = never> {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time the call may take (ms). */
  readonly timeout_ms?: number | undefined;
  /** The caller's stream, where the operation takes one. It is read as fast as the node takes it. */
  readonly send?: ([Item] extends [never] ? never : Sendable<Item>) | undefined;
}

/**
 * A call whose node sends a stream. Iterate it for the chunks, then await `output`; or await `output` alone, which gives
 * the chunks up. Leaving the iteration early cancels the call.
 */
export interface StreamingCall<Item, Output> extends AsyncIterable<Item> {
  /** Rejects with an OperonError. */
  readonly output: Promise<Output>;
  /** How the node decided, and where its audit log says so; `undefined` when it never answered. */
  readonly receipt: Promise<CallReceipt | undefined>;
  /** Tells the node to stop; harmless after the end. */
  cancel(): void;
  /** The same chunks as a web stream; take either, once. Cancelling it cancels the call. */
  stream(): ReadableStream<Item>;
}

/** A node by name, as its definitions have it. */
export function makePeer(
  name: string,
  { caller, manifest }: { caller: Caller; manifest: readonly CapabilityDescription[] },
): object {
  const groups = manifest.map(({ id, operations }) => {
    const methods = operations.map((operation) => [
      operation.name,
      method({ node: name, caller, operation }),
    ]);
    return [id, Object.freeze(Object.fromEntries(methods))];
  });
  const runsCommands = manifest
    .flatMap(({ operations }) => operations)
    .find(({ cli }) => cli.rest !== undefined && cli.shell?.part === "command");
  const $ = runsCommands && commandTag({ node: name, caller, operation: runsCommands });
  return Object.freeze({ ...Object.fromEntries(groups), $ });
}

interface MethodParts {
  readonly node: string;
  readonly caller: Caller;
  readonly operation: OperationDescription;
}

function method({ node, caller, operation }: MethodParts) {
  return (input: unknown, options: PeerCallOptions<unknown> = {}) => {
    const call = begin(() =>
      caller.call(node, operation.id, input ?? {}, callOptions(operation, options)),
    );
    return operation.sends ? streaming(call, operation) : call.output;
  };
}

function begin(make: () => OngoingCall): OngoingCall {
  try {
    return make();
  } catch (error) {
    return failedCall(error);
  }
}

function callOptions(
  { receives }: OperationDescription,
  { signal, timeout_ms, send }: PeerCallOptions<unknown>,
): CallOptions {
  return {
    ...(signal ? { signal } : {}),
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
    ...(send === undefined ? {} : { outgoing: toChunks(send, receives) }),
  };
}

function streaming(
  call: OngoingCall,
  operation: OperationDescription,
): StreamingCall<unknown, unknown> {
  const channels = operation.sends?.kind === "bytes" ? operation.sends.channels : [];
  async function* items(): AsyncGenerator<unknown, undefined> {
    let isOver = false;
    try {
      for await (const chunk of call.chunks) yield toItem(chunk, channels);
      isOver = true;
    } finally {
      // A reader that left: nobody is there for what the node would still do.
      if (!isOver) call.cancel();
    }
    return undefined;
  }
  return {
    [Symbol.asyncIterator]: () => items(),
    stream: () => toReadable(items(), () => call.cancel()),
    get output() {
      return call.output;
    },
    receipt: call.receipt,
    cancel: () => call.cancel(),
  };
}

function toItem(chunk: Chunk, channels: readonly string[]): unknown {
  if (chunk.kind === "value") return chunk.value;
  if (channels.length === 0) return chunk.bytes;
  return { channel: channels[chunk.channel] ?? String(chunk.channel), bytes: chunk.bytes };
}

function toReadable(
  items: AsyncGenerator<unknown, undefined>,
  cancel: () => void,
): ReadableStream<unknown> {
  return new ReadableStream({
    async pull(controller) {
      const next = await items.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      // First: a chunk that is waited for may never come.
      cancel();
      await items.return(undefined);
    },
  });
}
