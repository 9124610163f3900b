// Keeps processes that change the same private file from losing each other's change.
// It must never be held over anything that waits: others stand still meanwhile.
// Next: known_nodes.ts and secret/store.ts change their files under it.

import { mkdirSync, rmdirSync, statSync } from "node:fs";

/** A lock older than this belongs to a process that died while it wrote (ms). */
const LOCK_STALE_MS = 5_000;
const LOCK_WAIT_MS = 10;

/** Waits for the file's lock. A folder is made or it exists: the same on every file system, without native code. */
export function lockFile(path: string): Disposable {
  const folder = `${path}.lock`;
  for (;;) {
    try {
      mkdirSync(folder, { mode: 0o700 });
      return { [Symbol.dispose]: () => rmdirSync(folder) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const since = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (since > 0 && Date.now() - since > LOCK_STALE_MS) {
      try {
        rmdirSync(folder);
      } catch {
        // Another waiter was quicker.
      }
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
  }
}
