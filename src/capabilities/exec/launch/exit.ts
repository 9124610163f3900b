// How commands end: their exit status, taken from the kernel when it says that a child has ended.
// It must never take the status of a child it was not asked about: the runtime waits for others.
// Next: launch.ts starts them.

import { constants } from "node:os";
import { libc } from "../libc.ts";

/** How a command ended: its own code, or the signal's number; neither when nobody knows. */
export interface Exit {
  readonly code: number | undefined;
  readonly signal: number | undefined;
}

/** In case a signal about a child's end was missed (ms). */
const LOOK_EVERY_MS = 500;

const waiting = new Map<number, (exit: Exit) => void>();
let timer: NodeJS.Timeout | undefined;

/** Resolves when this child has ended; reaps it. Ask once for each. */
export function exitOfChild(pid: number): Promise<Exit> {
  const { promise, resolve } = Promise.withResolvers<Exit>();
  waiting.set(pid, resolve);
  if (timer === undefined) {
    process.on("SIGCHLD", look);
    timer = setInterval(look, LOOK_EVERY_MS);
  }
  // It may have ended before anybody listened.
  look();
  return promise;
}

/** Name of a signal; realtime signals have only numbers. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, other]) => other === number);
  return found?.[0] ?? `SIG${number}`;
}

function look(): void {
  for (const [pid, resolve] of waiting) {
    const status = libc().exitStatus(pid);
    if (status === undefined) continue;
    waiting.delete(pid);
    resolve(exitOf(status));
  }
  if (waiting.size > 0) return;
  process.off("SIGCHLD", look);
  clearInterval(timer);
  timer = undefined;
}

/** wait(2): the low seven bits are the signal, the next eight the code. */
function exitOf(status: number): Exit {
  const signal = status & 0x7f;
  return signal === 0
    ? { code: (status >> 8) & 0xff, signal: undefined }
    : { code: undefined, signal };
}
