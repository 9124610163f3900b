// A node as an object: methods made from the definitions, streams in the forms JavaScript has for them.
// It must never know an operation by name: each call is a signed request, described by the definitions.
// Next: sdk_types.ts gives it its types; contract/caller.ts is what it stands on.

import type { Caller, CallOptions, CallReceipt, Chunk, OngoingCall } from "./contract/caller.ts";
import type { CapabilityDescription, OperationDescription } from "./contract/description.ts";
import { commandTag } from "./sdk_command.ts";
import { toIterable } from "./sdk_send.ts";

/** Options of one call. */
export interface PeerCallOptions<Item = never> {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Longest time the call may take (ms). */
  readonly timeout_ms?: number;
  /** The caller's stream: an async iterable, a web stream, bytes or a text. */
  readonly send?: [Item] extends [never]
    ? never
    : AsyncIterable<Item> | Iterable<Item> | ReadableStream<Item> | Uint8Array | string;
}

/** A call whose node sends a stream: iterate it for the chunks, await `output` for the result. */
export interface StreamingCall<Item, Output> extends AsyncIterable<Item> {
  /** Rejects with an OperonError. */
  readonly output: Promise<Output>;
  readonly receipt: Promise<CallReceipt | undefined>;
  cancel(): void;
  /** The same chunks as a web stream; take either, once. */
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
    .find(({ cli, sends }) => cli.rest !== undefined && sends?.kind === "bytes");
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
    const callOptions: CallOptions = {
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.timeout_ms === undefined ? {} : { timeout_ms: options.timeout_ms }),
      ...(options.send === undefined ? {} : { outgoing: toIterable(options.send) }),
    };
    const call = caller.call(node, operation.id, input ?? {}, callOptions);
    return operation.sends ? streaming(call, operation) : call.output;
  };
}

function streaming(
  call: OngoingCall,
  operation: OperationDescription,
): StreamingCall<unknown, unknown> {
  const channels = operation.sends?.kind === "bytes" ? operation.sends.channels : [];
  async function* items(): AsyncGenerator<unknown, undefined> {
    for await (const chunk of call.chunks) yield toItem(chunk, channels);
    return undefined;
  }
  return {
    [Symbol.asyncIterator]: () => items(),
    stream: () => toReadable(items()),
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

function toReadable(items: AsyncGenerator<unknown, undefined>): ReadableStream<unknown> {
  return new ReadableStream({
    async pull(controller) {
      const next = await items.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await items.return(undefined);
    },
  });
}
