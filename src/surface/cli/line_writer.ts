// Text for a reader that may be slow: gathered while it is busy, handed over as soon as it is not.
// It must never hold more than a bound, nor keep the last line back.
// Next: show.ts writes streamed values through it.

import type { Output } from "./stdio.ts";

/** Text that may wait for the reader (UTF-16 units). */
const WAITING_CHARS_MAX = 64 * 1024;

/** Writes lines in order; call `end` after the last one. */
export class LineWriter {
  readonly #output: Output;
  #waiting = "";
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Resolves at once while there is room. @throws what {@link Output.write} throws, at this call or the next */
  async write(text: string): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (text === "") return;
    this.#waiting += text;
    this.#writing ??= this.#drain();
    if (this.#waiting.length > WAITING_CHARS_MAX) await this.end();
  }

  /** Resolves when everything has been written. */
  async end(): Promise<void> {
    await this.#writing;
    if (this.#failure) throw this.#failure.error;
  }

  async #drain(): Promise<void> {
    try {
      // One turn later, so that lines which come together leave together.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.#waiting !== "") {
        const text = this.#waiting;
        this.#waiting = "";
        await this.#output.write(text);
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#writing = undefined;
    }
  }
}
