// Tells when the configuration file changed, however an editor writes it: in place, or by renaming another over it.
// It must never tell more often than once per settled change.
// Next: node/daemon.ts reloads; a bad file keeps the last good policy.

import { type FSWatcher, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

/** Quiet time before a change counts as complete (ms). */
const SETTLE_MS = 50;

/** What watching needs. */
export interface WatchOptions {
  readonly signal: AbortSignal;
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

/** Watches until the signal aborts. The folder is watched, since a renamed file is another file. */
export function watchConfig(path: string, { signal, onChange, onError }: WatchOptions): void {
  const name = basename(path);
  let stamp = stampOf(path);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    timer = undefined;
    const now = stampOf(path);
    if (now === stamp) return;
    stamp = now;
    onChange();
  };
  let watcher: FSWatcher;
  try {
    watcher = watch(dirname(path), (_event, changed) => {
      if (changed !== null && changed !== name) return;
      clearTimeout(timer);
      timer = setTimeout(look, SETTLE_MS);
    });
  } catch (error) {
    return onError(error);
  }
  watcher.on("error", onError);
  const stop = () => {
    clearTimeout(timer);
    watcher.close();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats ? `${stats.ino}.${stats.size}.${stats.mtimeNs}.${stats.ctimeNs}` : "";
}
