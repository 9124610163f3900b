// Linux's openat2(2): opens below a folder while the kernel itself refuses every symlink and every way out.
// It must never be given a path with a NUL, nor fall back to a plain open: callers walk instead when it is missing.
// Next: beneath.ts chooses between this and the walk.

import { FFIType, type Pointer, ptr, read } from "bun:ffi";
import { constants } from "node:fs";
import { openLibc } from "../../libc.ts";

/** Linux's O_CLOEXEC: no child inherits the descriptor. */
export const O_CLOEXEC = process.platform === "darwin" ? 0x1000000 : 0o2000000;
/** Linux's O_PATH: names an object without opening it. */
export const O_PATH = 0o10000000;

/** The same number on every architecture: it is younger than the common table. */
const SYS_OPENAT2 = 437n;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_BENEATH = 0x08n;
const HOW_BYTES = 24n;
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  11: "EAGAIN",
  13: "EACCES",
  18: "EXDEV",
  20: "ENOTDIR",
  23: "ENFILE",
  24: "EMFILE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  40: "ELOOP",
};

/** A descriptor, or the name of the errno. */
export type OpenResult = number | string;

/** Opens `path` (relative, below the folder `root`) without following any symlink. */
export function openat2(root: number, path: string, flags: number): OpenResult {
  native ??= load();
  if (!native) return "ENOSYS";
  const name = Buffer.from(`${path}\0`);
  const how = new BigUint64Array([
    BigInt(flags | O_CLOEXEC),
    0n,
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  ]);
  const result = native.syscall(SYS_OPENAT2, BigInt(root), ptr(name), ptr(how), HOW_BYTES);
  if (result >= 0n) return Number(result);
  const errno = native.errno();
  return ERRNO_NAMES[errno] ?? `errno ${errno}`;
}

/** Flags that pin a folder without needing the right to list it, where the platform has such a thing. */
export function folderFlags(): number {
  const pin = process.platform === "linux" ? O_PATH : constants.O_RDONLY;
  return pin | constants.O_DIRECTORY | O_CLOEXEC;
}

interface Native {
  syscall(number: bigint, fd: bigint, path: Pointer, how: Pointer, size: bigint): bigint;
  errno(): number;
}

let native: Native | null | undefined;

function load(): Native | null {
  if (process.platform !== "linux") return null;
  const { i64, ptr: pointer } = FFIType;
  try {
    const symbols = openLibc({
      syscall: { args: [i64, i64, pointer, pointer, i64], returns: i64 },
      __errno_location: { args: [], returns: pointer },
    });
    return {
      syscall: (...args) => BigInt(symbols.syscall(...args)),
      errno: () => read.i32(symbols.__errno_location() as Pointer, 0),
    };
  } catch {
    // Another C library: the caller walks.
    return null;
  }
}
