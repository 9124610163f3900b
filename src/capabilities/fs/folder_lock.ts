// Makes "check the version, then replace the file" one step, also against other processes that run operon.
// It must never wait without a bound, or be held across anything that waits.
// Next: precondition.ts for what is checked while it is held.

import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { systemClock } from "../../clock.ts";
import type { MountParent } from "../../contract/services.ts";
import { attempt, type Failing } from "./failure.ts";
import { native, O_CLOEXEC } from "./native.ts";

/** How long to wait for another process (ms): a holder needs microseconds unless it was stopped. */
const WAIT_MAX_MS = 5_000;
/** Turns of the event loop to try at once before sleeping between tries. */
const SPINS = 200;

/** The part of a call that locking needs. */
export interface Locking extends Failing {
  readonly signal: AbortSignal;
}

/**
 * Locks the folders of one or two parents; dispose it to unlock. Change nothing but synchronously while it is held:
 * that is what excludes other calls in this process.
 * @throws `fs.busy` when another process holds a lock for too long
 */
export async function lockFolders(
  parents: readonly MountParent[],
  call: Locking,
): Promise<Disposable> {
  const untilMs = systemClock.monotonicMs() + WAIT_MAX_MS;
  for (let spins = 0; ; spins++) {
    call.signal.throwIfAborted();
    const lock = tryLockFolders(parents, call);
    if (lock) return lock;
    if (systemClock.monotonicMs() > untilMs) {
      throw call.fail("busy", { path: parents[0]?.virtual_path });
    }
    if (spins < SPINS) await new Promise((resolve) => setImmediate(resolve));
    else await systemClock.sleep(1, call.signal);
  }
}

/** The same at once, or `undefined`. All or nothing, so that two calls that lock the same folders in another order cannot block each other. */
export function tryLockFolders(
  parents: readonly MountParent[],
  call: Failing,
): Disposable | undefined {
  const held = new Map<string, number>();
  const release = () => {
    for (const fd of held.values()) closeSync(fd);
    held.clear();
  };
  try {
    for (const parent of parents) {
      const fd = openLockable(parent, call);
      if (fd === undefined) continue;
      const { dev, ino } = fstatSync(fd);
      const identity = `${dev}:${ino}`;
      if (held.has(identity)) {
        closeSync(fd);
        continue;
      }
      held.set(identity, fd);
      if (native().tryLock(fd)) continue;
      release();
      return undefined;
    }
  } catch (error) {
    release();
    throw error;
  }
  return { [Symbol.dispose]: release };
}

/** A folder that may be changed but not listed cannot be locked: then only this process excludes itself. */
function openLockable(parent: MountParent, call: Failing): number | undefined {
  const folder = parent.name === "" ? parent.path : dirname(parent.path);
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC;
  try {
    return openSync(folder, flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
    return attempt(call, parent.virtual_path, () => {
      throw error;
    });
  }
}
