// Remembers batches for as long as their time would be accepted, so that none is served twice.
// It must never forget a batch without refusing everything as old as it: a clock set back reopens nothing.
// Next: session.ts asks once for each batch, before any request in it is looked at.

import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { FRESHNESS_WINDOW_MS, REPLAY_BATCHES_MAX } from "../limits.ts";

/** What a guard is made of. */
export interface ReplayGuardOptions {
  readonly clock: Clock;
  /** Nothing signed before this moment is accepted (Unix ms): a restart forgets what was served. */
  readonly notBeforeMs: number;
  readonly windowMs?: number;
  readonly capacity?: number;
}

/** Accepts each batch once. */
export class ReplayGuard {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #capacity: number;
  /** Batches in order of arrival, with their time. */
  readonly #seen = new Map<string, { readonly timeMs: number; readonly forgetAtMs: number }>();
  /** Times up to here are refused. */
  #floorMs: number;

  constructor({
    clock,
    notBeforeMs,
    windowMs = FRESHNESS_WINDOW_MS,
    capacity = REPLAY_BATCHES_MAX,
  }: ReplayGuardOptions) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#capacity = capacity;
    this.#floorMs = notBeforeMs - 1;
  }

  /** @throws OperonError `wire.stale`, `wire.replayed` */
  accept(signer: Uint8Array, batchId: Uint8Array, timeMs: number): void {
    this.#forget();
    const aheadMs = timeMs - this.#clock.nowMs();
    if (Math.abs(aheadMs) > this.#windowMs) throw stale(aheadMs);
    const id = Buffer.concat([signer, batchId]).toString("latin1");
    if (this.#seen.has(id)) throw replayed();
    if (timeMs <= this.#floorMs) throw tooOld();
    // By the monotonic clock, and for twice the window: a batch from the future stays acceptable for that long.
    this.#seen.set(id, { timeMs, forgetAtMs: this.#clock.monotonicMs() + 2 * this.#windowMs });
  }

  #forget(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { timeMs, forgetAtMs }] of this.#seen) {
      if (forgetAtMs > nowMs && this.#seen.size < this.#capacity) return;
      this.#seen.delete(id);
      this.#floorMs = Math.max(this.#floorMs, timeMs);
    }
  }
}

function stale(aheadMs: number): OperonError {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return new OperonError({
    code: "wire.stale",
    kind: "failed_precondition",
    message: `The request's time is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} the node's clock`,
    hint: "Set the clocks of both machines, for example with NTP, and try again",
    data: { ahead_ms: aheadMs },
  });
}

function tooOld(): OperonError {
  return new OperonError({
    code: "wire.stale",
    kind: "failed_precondition",
    message:
      "The request was signed before this node started, or before requests it no longer remembers",
    hint: "Try again; if it persists, compare the clocks of both machines",
  });
}

function replayed(): OperonError {
  return new OperonError({
    code: "wire.replayed",
    kind: "unauthenticated",
    message: "This request was served before",
    hint: "Sign a new one; the same signature is never accepted twice",
  });
}
