// Tells when the configuration file changed, however an editor writes it: in place, or by renaming another over it.
// It must never tell more often than once per settled change, nor go deaf when the system's notices fail.
// Next: node/daemon.ts reloads; a bad file keeps the last good policy.

import { type FSWatcher, lstatSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { type Clock, systemClock } from "../clock.ts";

/** Quiet time before a change counts as complete (ms). */
const SETTLE_MS = 50;
/** Longest time a file that never settles may put off being read (ms): a revocation must not wait for it. */
const SETTLE_MAX_MS = 400;
/** How often the file is looked at anyway (ms): folders can be replaced, and some file systems give no notices. */
const POLL_MS = 2_000;

/** What watching needs. */
export interface WatchOptions {
  readonly signal: AbortSignal;
  /** Called once per settled change, also when the file vanished. When it returns a promise, the next call waits for it. */
  readonly onChange: () => unknown;
  /** Notices failed, or `onChange` did; the file is still looked at every two seconds. */
  readonly onError: (error: unknown) => void;
  readonly clock?: Clock;
}

/** Watches until the signal aborts. The folder is watched, since a renamed file is another file. */
export function watchConfig(path: string, options: WatchOptions): void {
  if (options.signal.aborted) return;
  const watching = new Watching(resolve(path), options);
  options.signal.addEventListener("abort", () => watching[Symbol.dispose](), { once: true });
}

class Watching implements Disposable {
  readonly #path: string;
  readonly #options: WatchOptions;
  readonly #clock: Clock;
  readonly #watcher: FSWatcher | undefined;
  #stamp: string;
  #settling: Disposable | undefined;
  /** When the unsettled change was first seen. */
  #sinceMs: number | undefined;
  #poll: Disposable | undefined;
  #isTelling = false;

  constructor(path: string, options: WatchOptions) {
    this.#path = path;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#stamp = stampOf(path);
    this.#watcher = this.#watch();
    this.#pollLater();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#settling?.[Symbol.dispose]();
    this.#poll?.[Symbol.dispose]();
  }

  #watch(): FSWatcher | undefined {
    const name = basename(this.#path);
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, changed) => {
        if (changed === null || changed === name) this.#unsettled();
      });
      watcher.on("error", this.#options.onError);
      return watcher;
    } catch (error) {
      this.#options.onError(error);
      return undefined;
    }
  }

  #pollLater(): void {
    this.#poll = this.#clock.after(POLL_MS, () => {
      if (this.#settling === undefined && stampOf(this.#path) !== this.#stamp) this.#unsettled();
      this.#pollLater();
    });
  }

  #unsettled(): void {
    if (this.#options.signal.aborted) return;
    const nowMs = this.#clock.monotonicMs();
    this.#sinceMs ??= nowMs;
    this.#settling?.[Symbol.dispose]();
    const leftMs = Math.max(0, this.#sinceMs + SETTLE_MAX_MS - nowMs);
    this.#settling = this.#clock.after(Math.min(SETTLE_MS, leftMs), () => void this.#settled());
  }

  async #settled(): Promise<void> {
    this.#settling = undefined;
    this.#sinceMs = undefined;
    // While a change is being told, the one that comes is told after it.
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (let now = stampOf(this.#path); now !== this.#stamp; now = stampOf(this.#path)) {
        if (this.#options.signal.aborted) return;
        this.#stamp = now;
        await this.#options.onChange();
      }
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#isTelling = false;
    }
  }
}

/** What differs after any change to the file, its mode and owner included; a link counts as itself. */
function stampOf(path: string): string {
  try {
    const { dev, ino, size, mode, uid, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
    return [dev, ino, size, mode, uid, mtimeNs, ctimeNs].join(".");
  } catch {
    return "absent";
  }
}
