// The SDK: nodes as typed objects, derived from the built-in capabilities' definitions.
// It must never know an operation by name: methods come from the definitions, and each call is a signed request.
// Next: contract/caller.ts is what it stands on; connect() is where to begin.

import type { z } from "zod";
import type { builtin } from "./builtin.ts";
import { openCaller } from "./caller.ts";
import { systemClock } from "./clock.ts";
import type { Caller, CallOptions, CallReceipt, Chunk, OngoingCall } from "./contract/caller.ts";
import type { CapabilityDescription, OperationDescription } from "./contract/description.ts";
import type { AnyOperation, Operation, StreamItem, StreamShape } from "./contract/operation.ts";
import { OperonError } from "./error.ts";
import { resolveHome } from "./identity/home.ts";
import { loadKey } from "./identity/keystore.ts";
import { loadManifest } from "./manifest.ts";

export type { CallReceipt } from "./contract/caller.ts";
export type { ErrorDocument, ErrorKind } from "./error.ts";
export { OperonError } from "./error.ts";

type Builtin = typeof builtin;
type InputOf<Op> =
  Op extends Operation<infer Input, z.ZodType, infer _E, infer _S, infer _R>
    ? z.input<Input>
    : never;
type OutputOf<Op> =
  Op extends Operation<z.ZodType, infer Output, infer _E, infer _S, infer _R>
    ? z.output<Output>
    : never;
type Sends<Op> = Op extends AnyOperation ? Op["sends"] : undefined;
type Receives<Op> = Op extends AnyOperation ? Op["receives"] : undefined;

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
  readonly output: Promise<Output>;
  readonly receipt: Promise<CallReceipt | undefined>;
  cancel(): void;
  /** The same chunks as a web stream; take either, once. */
  stream(): ReadableStream<Item>;
}

type ItemOf<Shape> = StreamItem<Shape>;
type Method<Op> =
  Sends<Op> extends StreamShape
    ? (
        input: InputOf<Op>,
        options?: PeerCallOptions<ItemOf<Receives<Op>>>,
      ) => StreamingCall<ItemOf<Sends<Op>>, OutputOf<Op>>
    : (
        input: InputOf<Op>,
        options?: PeerCallOptions<ItemOf<Receives<Op>>>,
      ) => Promise<OutputOf<Op>>;

/** A node: its capabilities as properties, their operations as methods. */
export type Peer = {
  readonly [Id in keyof Builtin]: {
    readonly [Name in keyof Builtin[Id]["operations"]]: Method<Builtin[Id]["operations"][Name]>;
  };
};

/** A connection to the nodes this machine knows. */
export interface Operon extends AsyncDisposable {
  /** A node by name; `local` is the own one. Nothing is sent until an operation is called. */
  node(name: string): Peer;
}

/** Where to connect from. */
export interface ConnectOptions {
  /** Home folder; default `OPERON_HOME`, else `~/.operon`. */
  readonly home?: string;
  /** Configuration file; default `config.yaml` in the home. */
  readonly config?: string;
  /** Private key file to sign with instead of acting as the home. */
  readonly identity?: string;
}

/**
 * Connects through the home's daemon when one runs, else directly.
 * @throws OperonError `config.missing`, `identity.*`
 */
export async function connect(options: ConnectOptions = {}): Promise<Operon> {
  const environment =
    options.home === undefined ? process.env : { ...process.env, OPERON_HOME: options.home };
  const home = resolveHome(environment);
  const [caller, manifest] = await Promise.all([
    openCaller({
      home,
      configPath: options.config ?? home.config_path,
      clock: systemClock,
      identity: options.identity === undefined ? undefined : loadKey(options.identity),
      notice: (text) => console.error(`operon: ${text}`),
    }),
    loadManifest(),
  ]);
  return operonOver(caller, manifest);
}

/** The SDK over any caller. */
export function operonOver(caller: Caller, manifest: readonly CapabilityDescription[]): Operon {
  return {
    node: (name) => peer(name, caller, manifest),
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  };
}

function peer(name: string, caller: Caller, manifest: readonly CapabilityDescription[]): Peer {
  const groups = manifest.map((capability) => {
    const methods = capability.operations.map((operation) => [
      operation.name,
      method({ node: name, caller, operation }),
    ]);
    return [capability.id, Object.freeze(Object.fromEntries(methods))];
  });
  return Object.freeze(Object.fromEntries(groups)) as Peer;
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

async function* toIterable(
  source: NonNullable<PeerCallOptions<unknown>["send"]> | unknown,
): AsyncGenerator<unknown, undefined> {
  if (typeof source === "string") yield new TextEncoder().encode(source);
  else if (source instanceof Uint8Array) yield source;
  else if (isIterable(source)) yield* source;
  else
    throw new OperonError({
      code: "sdk.send_invalid",
      kind: "invalid_argument",
      message: "`send` takes bytes, a text, an iterable or a web stream",
    });
  return undefined;
}

function isIterable(source: unknown): source is AsyncIterable<unknown> {
  return (
    typeof source === "object" &&
    source !== null &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  );
}
