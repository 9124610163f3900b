// How fast a terminal's output may flow for long: a flood that nobody can read leaves the node to others.
// It must never slow down what a person looks at: the first megabytes go as fast as they can.
// Next: connection.ts asks before it makes room for more.

import type { Clock } from "../../../clock.ts";

/** What goes at once after a quiet while (bytes). */
const BURST_BYTES = 4 * 1024 * 1024;
/** What goes for long: faster than terminals draw, and a fraction of what a node can move. */
const BYTES_PER_MS = 2 * 1024;

/** The pace of one look at a terminal. */
export class Pace {
  readonly #clock: Clock;
  #room = BURST_BYTES;
  #lastMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.monotonicMs();
  }

  /** Waits until so many bytes more may flow. Rejects when the signal aborts. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#room = Math.min(BURST_BYTES, this.#room + (nowMs - this.#lastMs) * BYTES_PER_MS) - bytes;
    this.#lastMs = nowMs;
    if (this.#room < 0) await this.#clock.sleep(-this.#room / BYTES_PER_MS, signal);
  }
}
