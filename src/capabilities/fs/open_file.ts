// Opens an ordinary file for reading without ever opening anything else: a pipe would hang, a device might act.
// It must never follow a symlink or look a name up twice.
// Next: read.ts and copy.ts read from what is opened here.

import { type BigIntStats, closeSync, constants, fstatSync, openSync } from "node:fs";
import type { MountParent } from "../../contract/services.ts";
import { typeOf } from "./describe.ts";
import { attempt, type Failing } from "./failure.ts";
import { O_CLOEXEC, O_PATH } from "./native.ts";

/** An open ordinary file; close it with `using`. */
export interface OpenFile extends Disposable {
  readonly fd: number;
  /** As it was when it was opened. */
  readonly stat: BigIntStats;
}

/** Opens the file that `parent` names. @throws `fs.missing`, `fs.not_a_file`, `fs.symlink`, `fs.special_file`, … */
export function openFile(
  parent: MountParent,
  call: Failing,
  access: number = constants.O_RDONLY,
): OpenFile {
  const path = parent.virtual_path;
  if (parent.name === "") throw call.fail("not_a_file", { path });
  return attempt(call, path, () => {
    const fd =
      process.platform === "linux" ? openPinned(parent, call, access) : openWary(parent, access);
    try {
      const stat = fstatSync(fd, { bigint: true });
      assertFile(stat, path, call);
      return { fd, stat, [Symbol.dispose]: () => closeSync(fd) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

/** Refuses everything that is no ordinary file. */
export function assertFile(stat: BigIntStats, path: string, call: Failing): void {
  const type = typeOf(stat);
  if (type === "folder") throw call.fail("not_a_file", { path });
  if (type === "symlink") throw call.fail("symlink", { path });
  if (type === "special") throw call.fail("special_file", { path });
}

/** Pins the object first (which opens nothing), looks at it, then opens exactly that object. */
function openPinned(parent: MountParent, call: Failing, access: number): number {
  const pin = openSync(parent.path, O_PATH | constants.O_NOFOLLOW | O_CLOEXEC);
  try {
    assertFile(fstatSync(pin, { bigint: true }), parent.virtual_path, call);
    // Some files the kernel makes up (/proc/kmsg) are ordinary by name and wait all the same.
    return openSync(`/proc/self/fd/${pin}`, access | constants.O_NONBLOCK | O_CLOEXEC);
  } finally {
    closeSync(pin);
  }
}

/** Without O_PATH: never waits for a pipe's other end, never becomes a terminal's owner. */
function openWary(parent: MountParent, access: number): number {
  const wary = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY | O_CLOEXEC;
  return openSync(parent.path, access | wary);
}
