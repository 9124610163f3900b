// How much a session's streams may send before other work has its turn.
// It must never let many streams together take what one may not: a thousand readers would stop everything else.
// Next: session.ts asks before each chunk.

/** Payload the streams of one session may send in one turn of the event loop (bytes). */
export const TURN_BYTES = 512 * 1024;

/** Counts what was sent in this turn of the event loop. */
export class Turn {
  #bytes = 0;
  #over: Promise<void> | undefined;

  /** `undefined` while more may be sent in this turn; else resolves when the next one has come. */
  get over(): Promise<void> | undefined {
    return this.#over;
  }

  /** Notes that bytes were sent. */
  count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < TURN_BYTES || this.#over) return;
    this.#over = new Promise((resolve) => {
      setImmediate(() => {
        this.#bytes = 0;
        this.#over = undefined;
        resolve();
      });
    });
  }
}
