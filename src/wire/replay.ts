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
  /** Whether a key (raw) is anybody's: what it asks counts against itself alone. All others count together. */
  readonly isKnown?: (signer: Uint8Array) => boolean;
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
  readonly #own: string | undefined;
  readonly #isKnown: (signer: Uint8Array) => boolean;
  /** Batches in order of arrival. */
  readonly #seen = new Map<string, Seen>();
  readonly #notBeforeMs: number;
  /** By key: the own one and known ones. A flood of one, with times as late as may be, shuts out nobody else. */
  readonly #floors = new Map<string, Floor>();
  readonly #strangersFloor: Floor;

  constructor({
    clock,
    notBeforeMs,
    own,
    isKnown = () => false,
    windowMs = FRESHNESS_WINDOW_MS,
    capacity = REPLAY_BATCHES_MAX,
  }: ReplayGuardOptions) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#capacity = capacity;
    this.#own = own && textOf(own);
    this.#isKnown = isKnown;
    this.#notBeforeMs = notBeforeMs;
    this.#strangersFloor = this.#newFloor();
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
    const key = textOf(signer);
    const isOwn = key === this.#own;
    const isTimeChecked = !(isOwn && isFromHere);
    const aheadMs = timeMs - this.#clock.nowMs();
    if (isTimeChecked && Math.abs(aheadMs) > this.#windowMs) throw stale(aheadMs);
    const id = key + textOf(batchId);
    if (this.#seen.has(id)) throw replayed();
    const floor = this.#floorOf(key, signer);
    if (isTimeChecked && timeMs <= floor.timeMs) throw tooOld(floor.timeMs);
    // By the monotonic clock, and for twice the window: a batch from the future stays acceptable for that long.
    const forgetAtMs = this.#clock.monotonicMs() + 2 * this.#windowMs;
    this.#seen.set(id, { timeMs, forgetAtMs, floor });
  }

  /** A key that becomes known begins anew: what it asked as a stranger was refused, or is good once by itself. */
  #floorOf(key: string, signer: Uint8Array): Floor {
    const floor = this.#floors.get(key);
    if (floor) return floor;
    if (key !== this.#own && !this.#isKnown(signer)) return this.#strangersFloor;
    const fresh = this.#newFloor();
    this.#floors.set(key, fresh);
    return fresh;
  }

  #newFloor(): Floor {
    return { timeMs: this.#notBeforeMs - 1 };
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

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
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
