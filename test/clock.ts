import type { Clock } from "../src/clock.ts";

/** A clock that moves only when told to; timers run in order while it advances. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(ms: number, run: () => void): Disposable {
    const timer = { atMs: this.#monotonicMs + ms, run };
    this.#timers.push(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.after(ms, resolve);
      signal?.addEventListener("abort", () => {
        timer[Symbol.dispose]();
        reject(signal.reason);
      });
    });
  }

  /** Moves both clocks forward and runs every timer that falls due. */
  advance(ms: number): void {
    const untilMs = this.#monotonicMs + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#wallMs += due.atMs - this.#monotonicMs;
      this.#monotonicMs = due.atMs;
      due.run();
    }
    this.#wallMs += untilMs - this.#monotonicMs;
    this.#monotonicMs = untilMs;
  }

  /** Moves wall time only, as a clock correction or a rollback after suspend does. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }
}
