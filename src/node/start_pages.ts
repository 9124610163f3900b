// Gives back the pages of the executable that only starting needed: a daemon that waits for calls uses few of them.
// It must never touch a page that was written to: code alone is read again from the file when it is needed.
// Next: daemon_verbs.ts asks for it once a daemon serves.

import { FFIType } from "bun:ffi";
import { readFileSync, readlinkSync } from "node:fs";
import { openLibc } from "../libc.ts";

/** Linux: these pages are not needed now. For a file's unchanged pages that means: forget that they were mapped. */
const MADV_DONTNEED = 4;

/** Returns how many bytes of code may be read anew; 0 where the system has no such thing. Never throws. */
export function giveBackStartPages(): number {
  if (process.platform !== "linux") return 0;
  try {
    const { u64, i32 } = FFIType;
    const { madvise } = openLibc({ madvise: { args: [u64, u64, i32], returns: i32 } });
    let bytes = 0;
    for (const { start, end } of ownCode())
      if (madvise(start, end - start, MADV_DONTNEED) === 0) bytes += Number(end - start);
    return bytes;
  } catch {
    // No such call, or no /proc: the pages stay until the system wants them.
    return 0;
  }
}

/** Where the executable's code is mapped: readable and executable, private, never writable. */
function ownCode(): { readonly start: bigint; readonly end: bigint }[] {
  const executable = readlinkSync("/proc/self/exe");
  return readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .flatMap((line) => {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \S+ +(.*)$/.exec(line);
      if (match?.[3] !== executable) return [];
      return [{ start: BigInt(`0x${match[1]}`), end: BigInt(`0x${match[2]}`) }];
    });
}
