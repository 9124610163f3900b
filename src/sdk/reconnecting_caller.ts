// Calls through the home's daemon as long as one runs, and finds it again after it was restarted.
// It must never send a call over another way because the first one broke: that is repeating_caller.ts's decision.
// Next: node/local_caller.ts is what it makes anew; sdk.ts says what to do without a daemon.

import type { Clock } from "../clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import { failedCall, pendingCall } from "../contract/pending_call.ts";
import { OperonError } from "../error.ts";
import type { ConnectedCaller } from "../node/local_caller.ts";

/** How long a daemon that was there may take to come back (ms), and how often to look. */
const RETURN_MS = 5_000;
const LOOK_MS = 50;

/** The two ways. */
export interface ReconnectOptions {
  readonly clock: Clock;
  /** @throws OperonError `wire.no_daemon` */
  readonly connect: () => Promise<ConnectedCaller>;
  /** How to call while no daemon runs; asked once. */
  readonly withoutDaemon: () => Promise<Caller>;
}

/** Over the daemon's local socket, whichever daemon that is at the time. */
export class ReconnectingCaller implements Caller {
  readonly #options: ReconnectOptions;
  readonly #closing = new AbortController();
  #daemon: ConnectedCaller | undefined;
  #finding: Promise<Caller> | undefined;
  #other: Promise<Caller> | undefined;

  /** @throws what `connect` throws, but for `wire.no_daemon`, and what `withoutDaemon` throws */
  static async open(options: ReconnectOptions): Promise<ReconnectingCaller> {
    const caller = new ReconnectingCaller(options);
    await caller.#find();
    return caller;
  }

  private constructor(options: ReconnectOptions) {
    this.#options = options;
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    if (this.#closing.signal.aborted) return failedCall(closed());
    if (this.#daemon?.isOpen) return this.#daemon.call(node, operation, input, options);
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    const call = this.#finding.then((caller) => caller.call(node, operation, input, options));
    return pendingCall(call, { ...options, clock: this.#options.clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(closed());
    await this.#finding?.catch(() => {});
    await this.#daemon?.[Symbol.asyncDispose]();
    await (await this.#other?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  async #find(): Promise<Caller> {
    const { clock, connect } = this.#options;
    const untilMs = clock.monotonicMs() + (this.#daemon ? RETURN_MS : 0);
    for (;;) {
      try {
        this.#daemon = await connect();
        return this.#daemon;
      } catch (error) {
        if (!(error instanceof OperonError) || error.code !== "wire.no_daemon") throw error;
      }
      if (clock.monotonicMs() >= untilMs) break;
      await clock.sleep(LOOK_MS, this.#closing.signal);
    }
    // The next call without a daemon is not made to wait again.
    this.#daemon = undefined;
    this.#other ??= this.#options.withoutDaemon();
    return this.#other;
  }
}

function closed(): OperonError {
  return new OperonError({
    code: "sdk.closed",
    kind: "failed_precondition",
    message: "This connection was closed",
    hint: "Make calls before it is disposed of; connect() makes another",
  });
}
