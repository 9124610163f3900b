// Makes calls that only read once more when the connection broke under them.
// It must never repeat a call that may change something, nor one with a stream: nobody can tell how far the first came.
// Next: sdk.ts puts it around every caller.

import { type Clock, systemClock } from "../clock.ts";
import type { Caller, CallOptions, CallReceipt, Chunk, OngoingCall } from "../contract/caller.ts";
import type { CapabilityDescription } from "../contract/description.ts";
import { failedCall } from "../contract/pending_call.ts";
import { OperonError } from "../error.ts";

/** What a broken connection looks like from here; that no connection could be made is another matter. */
const BROKEN: ReadonlySet<string> = new Set([
  "wire.session_closed",
  "wire.session_exhausted",
  "wire.send_dropped",
]);

/** A caller whose calls never throw at once: what is wrong with a call is the call's own failure. */
export class RepeatingCaller implements Caller {
  readonly #caller: Caller;
  readonly #clock: Clock;
  readonly #repeatable: ReadonlySet<string>;

  constructor(
    caller: Caller,
    {
      manifest,
      clock = systemClock,
    }: { manifest: readonly CapabilityDescription[]; clock?: Clock },
  ) {
    this.#caller = caller;
    this.#clock = clock;
    this.#repeatable = new Set(
      manifest
        .flatMap(({ operations }) => operations)
        .filter(({ effect, sends, receives }) => effect === "read" && !sends && !receives)
        .map(({ id }) => id),
    );
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const endMs = this.#clock.monotonicMs() + (options.timeout_ms ?? 0);
    const make = () => {
      const leftMs = Math.max(1, endMs - this.#clock.monotonicMs());
      const timed = options.timeout_ms === undefined ? options : { ...options, timeout_ms: leftMs };
      try {
        return this.#caller.call(node, operation, input, timed);
      } catch (error) {
        return failedCall(error);
      }
    };
    return this.#repeatable.has(operation) ? new RepeatedCall(make) : make();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#caller[Symbol.asyncDispose]());
  }
}

/** A call without streams that is made a second time when its connection broke. */
class RepeatedCall implements OngoingCall {
  readonly output: Promise<unknown>;
  readonly receipt: Promise<CallReceipt | undefined>;
  #call: OngoingCall;
  #isCancelled = false;

  constructor(make: () => OngoingCall) {
    this.#call = make();
    this.output = this.#run(make);
    this.output.catch(() => {});
    const last = () => this.#call.receipt;
    this.receipt = this.output.then(last, last);
  }

  get chunks(): AsyncIterable<Chunk> {
    const next = async (): Promise<IteratorResult<Chunk>> => {
      await this.output;
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  cancel(reason?: OperonError): void {
    this.#isCancelled = true;
    this.#call.cancel(reason);
  }

  async #run(make: () => OngoingCall): Promise<unknown> {
    try {
      return await this.#call.output;
    } catch (error) {
      const isBroken = error instanceof OperonError && BROKEN.has(error.code);
      if (!isBroken || this.#isCancelled) throw error;
    }
    this.#call = make();
    return this.#call.output;
  }
}
