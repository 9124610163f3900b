// Counts what rules with a rate or a budget gave, in sliding windows, in bounded memory.
// It must never under-count inside a window, nor grow with what peers send.
// Next: general_caveats.ts reads it through `Question.usage`; the node records after it acts on a decision.

import type { Clock } from "../clock.ts";
import type { Usage } from "./condition.ts";

/** Counters kept at once: one for each principal, metered rule and window. */
export const USAGE_COUNTERS_MAX = 20_000;
/** Slots a window is divided into: usage counts for up to 1/60 of the window too long, never too short. */
const SLOTS = 60;
/** What a new counter is told when there is no room: no limit is met by it. */
const FULL: Usage = { calls: Infinity, bytes: Infinity, seconds: Infinity };

interface Slot {
  index: number;
  calls: number;
  bytes: number;
  seconds: number;
}

interface Counter {
  readonly slotMs: number;
  slots: Slot[];
}

/** Sliding counters. In memory only: a restart forgets them. */
export class UsageLedger {
  readonly #clock: Clock;
  readonly #counters = new Map<string, Map<number, Counter>>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What was used under `key` in the last `window_ms`; hand it to policy as `Question.usage`. */
  readonly usage = (key: string, window_ms: number): Usage => {
    const counter = this.#counterOf(key, window_ms);
    if (!counter) return FULL;
    this.#expire(counter);
    const sum = { calls: 0, bytes: 0, seconds: 0 };
    for (const slot of counter.slots) {
      sum.calls += slot.calls;
      sum.bytes += slot.bytes;
      sum.seconds += slot.seconds;
    }
    return sum;
  };

  /**
   * Adds to the counters of `keys` (`Evaluation.usage_keys`): `calls: 1` in the same tick as the decision, so that two
   * calls cannot both be the last one allowed; bytes and seconds when the call ends.
   */
  record(keys: readonly string[], amount: Partial<Usage>): void {
    for (const key of keys) {
      for (const counter of this.#counters.get(key)?.values() ?? []) {
        this.#expire(counter);
        const index = this.#slotIndex(counter);
        let slot = counter.slots.at(-1);
        if (slot?.index !== index) {
          slot = { index, calls: 0, bytes: 0, seconds: 0 };
          counter.slots.push(slot);
        }
        slot.calls += amount.calls ?? 0;
        slot.bytes += amount.bytes ?? 0;
        slot.seconds += amount.seconds ?? 0;
      }
    }
  }

  #counterOf(key: string, windowMs: number): Counter | undefined {
    const known = this.#counters.get(key)?.get(windowMs);
    if (known) return known;
    if (this.#size >= USAGE_COUNTERS_MAX) this.#sweep();
    if (this.#size >= USAGE_COUNTERS_MAX) return undefined;
    const windows = this.#counters.get(key) ?? new Map<number, Counter>();
    this.#counters.set(key, windows);
    const counter: Counter = { slotMs: windowMs / SLOTS, slots: [] };
    windows.set(windowMs, counter);
    this.#size++;
    return counter;
  }

  #slotIndex(counter: Counter): number {
    return Math.floor(this.#clock.monotonicMs() / counter.slotMs);
  }

  /** Drops slots that lie wholly before the window. */
  #expire(counter: Counter): void {
    const oldest = this.#slotIndex(counter) - SLOTS;
    if ((counter.slots[0]?.index ?? oldest) >= oldest) return;
    counter.slots = counter.slots.filter((slot) => slot.index >= oldest);
  }

  /** Forgets counters in which nothing is left; done only when there is no room for another. */
  #sweep(): void {
    for (const [key, windows] of this.#counters) {
      for (const [windowMs, counter] of windows) {
        this.#expire(counter);
        if (counter.slots.length > 0) continue;
        windows.delete(windowMs);
        this.#size--;
      }
      if (windows.size === 0) this.#counters.delete(key);
    }
  }
}
