// Keeps two daemons from sharing a home.
// It must never depend on a process id file being fresh: the kernel drops the lock when its holder dies.
// Next: daemon.ts takes it.

import { dlopen } from "bun:ffi";
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { OperonError } from "../error.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the home's daemon lock; disposing gives it back.
 * @throws OperonError `node.already_running`
 */
export function lockHome(path: string): Disposable {
  const descriptor = openSync(
    path,
    constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
  if (flock(descriptor, LOCK_EX | LOCK_NB) !== 0) {
    const holder = readFileSync(descriptor, "utf8").trim();
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
  return { [Symbol.dispose]: () => closeSync(descriptor) };
}

function flock(descriptor: number, operation: number): number {
  const name = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  const { symbols } = dlopen(name, { flock: { args: ["i32", "i32"], returns: "i32" } });
  return symbols.flock(descriptor, operation);
}
