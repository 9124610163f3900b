// Keeps two daemons from sharing a home.
// It must never depend on a process id file being fresh: the kernel drops the lock when its holder dies.
// Next: daemon.ts takes it.

import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { openLibc } from "../libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** How long the lock of a dead daemon may still be held by what it was starting (ms), and how often to look. */
const DYING_MS = 5_000;
const LOOK_EVERY_MS = 10;

/** The lock, held; dispose it to give it back. */
export interface HomeLock extends Disposable {
  /** Process ids of daemons that held it before and ended without giving it back, since {@link forgetCrashed}. */
  readonly crashed_pids: readonly number[];
  /** Says that what they left behind has been dealt with. */
  forgetCrashed(): void;
}

/**
 * Takes the home's daemon lock. Waits a moment for a holder that is dead: what it was just starting when it was killed
 * holds its descriptors for as long as it takes to become another program.
 * @throws OperonError `node.already_running`
 */
export async function lockHome(path: string, clock: Clock): Promise<HomeLock> {
  const descriptor = openSync(
    path,
    constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
  const flock = openFlock();
  const endMs = clock.monotonicMs() + DYING_MS;
  while (flock(descriptor, LOCK_EX | LOCK_NB) !== 0) {
    const holder = pidsIn(path).at(-1);
    if ((holder !== undefined && isAlive(holder)) || clock.monotonicMs() >= endMs) {
      closeSync(descriptor);
      throw alreadyRunning(holder);
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
  const holders = pidsIn(path);
  // Those before stay named until forgotten: this process may be killed before it has cleaned up after them.
  write(descriptor, [...holders, process.pid]);
  return {
    crashed_pids: holders,
    forgetCrashed: () => write(descriptor, [process.pid]),
    [Symbol.dispose]() {
      ftruncateSync(descriptor, 0);
      closeSync(descriptor);
    },
  };
}

/** The process that holds a home's lock, as far as the file tells; `undefined` when none does. */
export function lockHolder(path: string): number | undefined {
  try {
    const holder = pidsIn(path).at(-1);
    return holder !== undefined && isAlive(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

function pidsIn(path: string): number[] {
  return readFileSync(path, "utf8").split("\n").filter(isProcessId).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function write(descriptor: number, pids: readonly number[]): void {
  const bytes = Buffer.from(`${pids.join("\n")}\n`);
  try {
    writeSync(descriptor, bytes, 0, bytes.length, 0);
    ftruncateSync(descriptor, bytes.length);
  } catch {
    // A full disk: the lock holds without the numbers.
  }
}

function isProcessId(text: string): boolean {
  return /^[1-9]\d{0,9}$/.test(text);
}

function alreadyRunning(holder: number | undefined): OperonError {
  return new OperonError({
    code: "node.already_running",
    kind: "failed_precondition",
    message: `A daemon already runs for this home${holder === undefined ? "" : ` (process ${holder})`}`,
    hint: "Stop it first, or set OPERON_HOME to another home",
  });
}

function openFlock(): (descriptor: number, operation: number) => number {
  return openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } }).flock;
}
