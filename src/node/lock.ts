// Keeps two daemons from sharing a home.
// It must never depend on a process id file being fresh: the kernel drops the lock when its holder dies.
// Next: daemon.ts takes it.

import { dlopen } from "bun:ffi";
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { OperonError } from "../error.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** The lock, held; dispose it to give it back. */
export interface HomeLock extends Disposable {
  /** Process id of the daemon that held it before, when it ended without giving it back. */
  readonly crashed_pid: number | undefined;
}

/**
 * Takes the home's daemon lock.
 * @throws OperonError `node.already_running`
 */
export function lockHome(path: string): HomeLock {
  const descriptor = openSync(
    path,
    constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
  const holder = readFileSync(descriptor, "utf8").trim();
  if (flock(descriptor, LOCK_EX | LOCK_NB) !== 0) {
    closeSync(descriptor);
    throw new OperonError({
      code: "node.already_running",
      kind: "failed_precondition",
      message: `A daemon already runs for this home${holder === "" ? "" : ` (process ${holder})`}`,
      hint: "Stop it first, or set OPERON_HOME to another home",
    });
  }
  try {
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, `${process.pid}\n`, 0);
  } catch {
    // A full disk: the number is for people, the lock holds without it.
  }
  return {
    crashed_pid: /^[1-9]\d{0,9}$/.test(holder) ? Number(holder) : undefined,
    [Symbol.dispose]() {
      ftruncateSync(descriptor, 0);
      closeSync(descriptor);
    },
  };
}

function flock(descriptor: number, operation: number): number {
  const name = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  const { symbols } = dlopen(name, { flock: { args: ["i32", "i32"], returns: "i32" } });
  return symbols.flock(descriptor, operation);
}
