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
  /** The node's own key (raw). What it asks of itself does not count against what others ask. */
  readonly own?: Uint8Array;
  readonly windowMs?: number;
  readonly capacity?: number;
}

interface Seen {
  readonly timeMs: number;
  readonly forgetAtMs: number;
  readonly floor: Floor;
}

/** Times up to here are refused. */
interface Floor {
  timeMs: number;
}

/** Accepts each batch once. */
export class ReplayGuard {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #capacity: number;
  readonly #own: Uint8Array | undefined;
  /** Batches in order of arrival. */
  readonly #seen = new Map<string, Seen>();
  readonly #ownFloor: Floor;
  readonly #othersFloor: Floor;

  constructor({
    clock,
    notBeforeMs,
    own,
    windowMs = FRESHNESS_WINDOW_MS,
    capacity = REPLAY_BATCHES_MAX,
  }: ReplayGuardOptions) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#capacity = capacity;
    this.#own = own;
    this.#ownFloor = { timeMs: notBeforeMs - 1 };
    this.#othersFloor = { timeMs: notBeforeMs - 1 };
  }

  /** @throws OperonError `wire.stale`, `wire.replayed` */
  accept(signer: Uint8Array, batchId: Uint8Array, timeMs: number): void {
    this.#accept({ signer, batchId, timeMs }, { isFromHere: false });
  }

  /**
   * As {@link accept}, for what arrives from within this process. What the node signed there it signed a moment ago,
   * whatever the clock did meanwhile; another key's request must pass as from anywhere.
   * @throws OperonError `wire.stale`, `wire.replayed`
   */
  acceptFromHere(signer: Uint8Array, batchId: Uint8Array, timeMs: number): void {
    this.#accept({ signer, batchId, timeMs }, { isFromHere: true });
  }

  #accept(
    batch: { readonly signer: Uint8Array; readonly batchId: Uint8Array; readonly timeMs: number },
    { isFromHere }: { readonly isFromHere: boolean },
  ): void {
    const { signer, batchId, timeMs } = batch;
    this.#forget();
    const isOwn = this.#own !== undefined && Buffer.compare(this.#own, signer) === 0;
    const isTimeChecked = !(isOwn && isFromHere);
    const aheadMs = timeMs - this.#clock.nowMs();
    if (isTimeChecked && Math.abs(aheadMs) > this.#windowMs) throw stale(aheadMs);
    const id = Buffer.concat([signer, batchId]).toString("latin1");
    if (this.#seen.has(id)) throw replayed();
    const floor = isOwn ? this.#ownFloor : this.#othersFloor;
    if (isTimeChecked && timeMs <= floor.timeMs) throw tooOld(floor.timeMs);
    // By the monotonic clock, and for twice the window: a batch from the future stays acceptable for that long.
    const forgetAtMs = this.#clock.monotonicMs() + 2 * this.#windowMs;
    this.#seen.set(id, { timeMs, forgetAtMs, floor });
  }

  #forget(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { timeMs, forgetAtMs, floor }] of this.#seen) {
      if (forgetAtMs > nowMs && this.#seen.size < this.#capacity) return;
      this.#seen.delete(id);
      floor.timeMs = Math.max(floor.timeMs, timeMs);
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

function tooOld(floorMs: number): OperonError {
  const floor = new Date(floorMs).toISOString();
  return new OperonError({
    code: "wire.stale",
    kind: "failed_precondition",
    message: `The request was signed before ${floor}, and the node does not remember what it served until then`,
    hint: "Try again; if it persists, compare the clocks of both machines: the node's may have been set back",
    data: { not_before: floor },
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
