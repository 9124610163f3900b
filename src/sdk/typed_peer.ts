// Types of the SDK's nodes, derived from the built-in capabilities' definitions.
// It must never name a capability or an operation.
// Next: peer.ts makes the objects; scripts/package_types.ts writes out what this comes to, for the published package.

import type { z } from "zod";
import type { builtin } from "../builtin.ts";
import type { AnyOperation, Operation, StreamItem, StreamShape } from "../contract/operation.ts";
import type { CommandTag } from "./command.ts";
import type { PeerCallOptions, StreamingCall } from "./peer.ts";

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

/** A node's capabilities as properties, their operations as methods. */
export type Capabilities = {
  readonly [Id in keyof Builtin]: {
    readonly [Name in keyof Builtin[Id]["operations"]]: Method<Builtin[Id]["operations"][Name]>;
  };
};

/** A node: its capabilities as properties, their operations as methods, and `$` to run commands. */
export type Peer = Capabilities & {
  /** Runs a command: words as written, values as whole arguments, never through a shell. */
  readonly $: CommandTag;
};

type CodesOf<Id extends string, Ops> = {
  [Name in keyof Ops]: Ops[Name] extends { readonly errors: infer Errors }
    ? `${Id}.${keyof Errors & string}`
    : never;
}[keyof Ops];

/** Codes of the errors that operations declare. A node, the way to it and the SDK itself have others: `policy.denied`. */
export type OperationErrorCode = {
  [Id in keyof Builtin]: CodesOf<Id, Builtin[Id]["operations"]>;
}[keyof Builtin];
