// Whether a call was given up, and why. Most calls end before anybody asks, and an AbortController costs more than they do.
// It must never forget a cancel that came before somebody listened.
// Next: call_stream.ts has one for the other end's cancel; node/running.ts one for everything that may end a call.

/** Something that can be given up once. */
export class Cancellation {
  #reason: unknown;
  #isCancelled = false;
  #controller: AbortController | undefined;
  #listeners: (() => void)[] | undefined;

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** What {@link cancel} was given. */
  get reason(): unknown {
    return this.#reason;
  }

  /** The same as an AbortSignal, made when first asked for. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#isCancelled) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Gives up; later calls change nothing. */
  cancel(reason: unknown): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const run of listeners ?? []) run();
    this.#controller?.abort(reason);
  }

  /** Runs something once it is cancelled, at once when it is already. Returns what takes it back. */
  onCancel(run: () => void): () => void {
    if (this.#isCancelled) {
      run();
      return () => {};
    }
    this.#listeners ??= [];
    this.#listeners.push(run);
    return () => {
      const at = this.#listeners?.indexOf(run) ?? -1;
      if (at >= 0) this.#listeners?.splice(at, 1);
    };
  }
}
