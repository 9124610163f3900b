// A caller that finds its daemon again after it was restarted.
// It must never send a call twice unless it only reads, for nobody can tell whether the first one was served.
// Next: node/local_caller.ts is what it makes anew; sdk.ts uses it.

import type { Clock } from "./clock.ts";
import type { Caller, CallOptions, Chunk, OngoingCall } from "./contract/caller.ts";
import type { OperationDescription } from "./contract/description.ts";
import { OperonError, toOperonError } from "./error.ts";
import type { ConnectedCaller } from "./node/local_caller.ts";

/** How long a restarted daemon may take to be there again (ms), and how often to look. */
const RETURN_MS = 5_000;
const LOOK_MS = 50;

/** How to reach the daemon. */
export interface ReconnectOptions {
  readonly clock: Clock;
  /** @throws OperonError `wire.no_daemon` */
  readonly connect: () => Promise<ConnectedCaller>;
  readonly describe: (operation: string) => OperationDescription | undefined;
}

/** Over a connection that exists. */
export class ReconnectingCaller implements Caller {
  readonly #options: ReconnectOptions;
  #caller: ConnectedCaller;
  #connecting: Promise<ConnectedCaller> | undefined;
  readonly #closing = new AbortController();

  constructor(caller: ConnectedCaller, options: ReconnectOptions) {
    this.#caller = caller;
    this.#options = options;
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const make = (caller: Caller) => caller.call(node, operation, input, options);
    const first = this.#caller.isOpen ? make(this.#caller) : undefined;
    const described = this.#options.describe(operation);
    const isUnary = described !== undefined && !described.sends && !described.receives;
    if (first && !(isUnary && described.effect === "read")) return first;
    return joined(first ? this.#retried(first, make) : this.#open(options.signal).then(make));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#caller[Symbol.asyncDispose]();
  }

  /** The call, or the same one over a new connection when this one broke under it. */
  async #retried(call: OngoingCall, make: (caller: Caller) => OngoingCall): Promise<OngoingCall> {
    try {
      await call.output;
      return call;
    } catch (error) {
      const isBroken = toOperonError(error).kind === "unavailable" && !this.#caller.isOpen;
      return isBroken ? make(await this.#open(undefined)) : call;
    }
  }

  async #open(signal: AbortSignal | undefined): Promise<ConnectedCaller> {
    if (this.#caller.isOpen) return this.#caller;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    signal?.throwIfAborted();
    return await this.#connecting;
  }

  async #connect(): Promise<ConnectedCaller> {
    const { clock, connect } = this.#options;
    const endMs = clock.monotonicMs() + RETURN_MS;
    for (;;) {
      try {
        this.#caller = await connect();
        return this.#caller;
      } catch (error) {
        const isAway = error instanceof OperonError && error.code === "wire.no_daemon";
        if (!isAway || this.#closing.signal.aborted || clock.monotonicMs() > endMs) throw error;
        await clock.sleep(LOOK_MS, this.#closing.signal);
      }
    }
  }
}

/** A call that is still to be made, as one that is under way. */
export function joined(opening: Promise<OngoingCall>): OngoingCall {
  async function* chunks(): AsyncGenerator<Chunk, undefined> {
    yield* (await opening).chunks;
    return undefined;
  }
  return {
    get chunks() {
      return chunks();
    },
    get output() {
      const output = opening.then((call) => call.output);
      output.catch(() => {});
      return output;
    },
    receipt: opening.then(
      (call) => call.receipt,
      () => undefined,
    ),
    cancel: (reason) => void opening.then((call) => call.cancel(reason)).catch(() => {}),
  };
}
