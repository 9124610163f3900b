// What a capability is: a named group of operations, their handlers, and what the handlers need from the node.
// It must never hand a handler more than its `needs` name, nor let one run without the types agreeing.
// Next: registry.ts; node/ calls the handlers; services.ts lists what can be needed.

import type { z } from "zod";
import type { OperonError } from "../error.ts";
import type { CaveatDefinition } from "../policy/caveat.ts";
import type { Access, AnyOperation, Operation, StreamItem, StreamShape } from "./operation.ts";
import type { ServiceName, Services } from "./services.ts";

/** Who asks, as the serving node sees them. */
export interface Principal {
  /** `ed25519:<base32>` */
  readonly id: string;
  /** Local name from policy, or the id when it has none. */
  readonly name: string;
  readonly roles: readonly string[];
}

/** Everything a handler knows about the call it serves. */
export interface Call<
  Op extends AnyOperation = AnyOperation,
  Needs extends ServiceName = ServiceName,
> {
  /** `fs.read` */
  readonly operation: string;
  readonly principal: Principal;
  /** The relay it came through, when the signer is not the other end of the session. */
  readonly via: Principal | undefined;
  /** Aborts on cancel, deadline, revoked authority, lost caller and shutdown. */
  readonly signal: AbortSignal;
  /** When the call must be over (Unix ms). */
  readonly deadline_ms: number;
  readonly trace: { readonly trace_id: string; readonly span_id: string };
  /** What the capability's fact resolver found before policy decided; act on this, not on a second look-up. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** The caller's stream; empty when the operation receives none. Read it once. */
  readonly incoming: AsyncIterable<StreamItem<Op["receives"]>>;
  /**
   * Half-closes the stream to the caller, who sees it end at once and whole; a generator yields nothing after it. Without
   * it the stream ends with the output.
   */
  endSending(): void;
  /** What this capability declared in `needs`. */
  readonly services: Pick<Services, Needs>;
  /**
   * Whether policy allows the same principal this access too, decided now: for what only the handler can find, such as the
   * entries of a folder. `ask` counts as no. It never widens what the call was granted.
   */
  authorize(access: Access): boolean;
  /** An error the operation declares; throw it. */
  fail(
    name: keyof Op["errors"] & string,
    data?: Readonly<Record<string, unknown>>,
    cause?: unknown,
  ): OperonError;
}

/**
 * The handler of one operation: a promise of the output, or a generator of chunks that returns it. Bytes that it has yielded
 * are its own again when the next ones are asked for.
 */
export type Handler<Op extends AnyOperation, Needs extends ServiceName> =
  Op extends Operation<infer Input, infer Output, infer _E, infer Sends, infer _R>
    ? Sends extends StreamShape
      ? (
          input: z.output<Input>,
          call: Call<Op, Needs>,
        ) => AsyncGenerator<StreamItem<Sends>, z.input<Output>, undefined>
      : (input: z.output<Input>, call: Call<Op, Needs>) => Promise<z.input<Output>>
    : never;

/** Operations by name. */
export type Operations = Readonly<Record<string, AnyOperation>>;

/** A handler for every operation. */
export type Handlers<Ops extends Operations, Needs extends ServiceName = never> = {
  readonly [Name in keyof Ops]: Handler<Ops[Name], Needs>;
};

/**
 * Looks at the world before policy decides, e.g. resolves an executable. What it returns is matched by caveats, audited
 * (keep it small) and handed to the handler as `call.facts`. It must have no effect and be quick.
 */
export type FactResolver<Op extends AnyOperation, Needs extends ServiceName> = (
  input: z.output<Op["input"]>,
  services: Pick<Services, Needs>,
) => Promise<Readonly<Record<string, unknown>>> | Readonly<Record<string, unknown>>;

/** A named group of operations with everything that makes them run. */
export interface Capability<
  Ops extends Operations = Operations,
  Needs extends ServiceName = ServiceName,
> {
  /** Lower case, `[a-z][a-z0-9_]*`; the first half of every operation id. */
  readonly id: string;
  readonly summary: string;
  readonly operations: Ops;
  readonly handlers: Handlers<Ops, Needs>;
  readonly needs: readonly Needs[];
  readonly facts: { readonly [Name in keyof Ops]?: FactResolver<Ops[Name], Needs> };
  /** Conditions its rules may use under `when`, beyond the general ones. */
  readonly caveats: Readonly<Record<string, CaveatDefinition>>;
  /** Schema of its section `policy.<settings_key>` in the configuration, when it has one. */
  readonly settings: z.ZodType | undefined;
  /** Default: its id. */
  readonly settings_key: string;
  /**
   * Ends what the node's previous process could not, because it was killed: called once, before anything is served.
   * @param crashed_pid process id it had; another process may have it by now
   */
  readonly afterCrash: ((crashed_pid: number) => Promise<void>) | undefined;
  /**
   * Ends what goes on without a call for keys that are principals no more: called when one was taken out of policy, and
   * at every start, for those that were while the node was down.
   */
  readonly afterRevocation: AfterRevocation<Needs> | undefined;
}

/** How a capability ends what it does for keys that lost their right. */
export type AfterRevocation<Needs extends ServiceName> = (
  services: Pick<Services, Needs>,
  isPrincipal: (key: string) => boolean,
) => Promise<void>;

/** Joins operations and handlers; the compiler refuses a missing handler, a wrong output or an undeclared error. */
export function capability<
  const Ops extends Operations,
  const Needs extends ServiceName = never,
>(parts: {
  readonly id: string;
  readonly summary: string;
  readonly operations: Ops;
  readonly needs?: readonly Needs[];
  readonly handlers: Handlers<Ops, Needs>;
  readonly facts?: { readonly [Name in keyof Ops]?: FactResolver<Ops[Name], Needs> };
  readonly caveats?: Readonly<Record<string, CaveatDefinition>>;
  readonly settings?: z.ZodType;
  readonly settings_key?: string;
  readonly afterCrash?: (crashed_pid: number) => Promise<void>;
  readonly afterRevocation?: AfterRevocation<Needs>;
}): Capability<Ops, Needs> {
  return {
    ...parts,
    needs: parts.needs ?? [],
    facts: parts.facts ?? {},
    caveats: parts.caveats ?? {},
    settings: parts.settings,
    settings_key: parts.settings_key ?? parts.id,
    afterCrash: parts.afterCrash,
    afterRevocation: parts.afterRevocation,
  };
}

/** A capability whose types have been forgotten, as the registry keeps it. */
// biome-ignore lint/suspicious/noExplicitAny: handlers are contravariant in their input; the registry re-checks it with zod
export type AnyCapability = Capability<any, any>;
