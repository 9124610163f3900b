// What an object is, by name in an open folder, in one step of the kernel: the runtime's own way leads through /proc and
// takes three times as long.
// It must never follow a link, nor tell less than lstat would.
// Next: list.ts asks; describe.ts makes a description of it.

import { FFIType, ptr } from "bun:ffi";
import { constants, fstatSync, lstatSync } from "node:fs";
import type { MountParent } from "../../contract/services.ts";
import { openLibc } from "../../libc.ts";
import type { ObjectState } from "./describe.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
/** Type, mode, times, inode and size. */
const STATX_BASIC_STATS = 0x7ff;
const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;

/** The state of what `parent` names, or of its folder itself. @throws the system's error */
export function stateOf(parent: MountParent): ObjectState {
  if (parent.name === "") return fstatSync(parent.fd, { bigint: true });
  statx ??= openStatx();
  // What fails is asked again in the runtime's way, which says why.
  const isFound = statx?.(parent.fd, parent.name) ?? false;
  return isFound ? readState() : lstatSync(parent.path, { bigint: true });
}

/** Fills {@link FOUND}; false when the kernel refused. */
type Statx = (folder: number, name: string) => boolean;

let statx: Statx | null | undefined;

/** struct statx; asking is synchronous, so one is enough. */
const FOUND = new DataView(new ArrayBuffer(256));
const FOUND_BYTES = new Uint8Array(FOUND.buffer);

function openStatx(): Statx | null {
  if (process.platform !== "linux") return null;
  const { i32, u32, ptr: pointer } = FFIType;
  try {
    const calls = openLibc({ statx: { args: [i32, pointer, i32, u32, pointer], returns: i32 } });
    return (folder, child) => {
      if (child.includes("\0")) return false;
      const path = Buffer.from(`${child}\0`);
      const found = ptr(FOUND_BYTES);
      const flags = AT_SYMLINK_NOFOLLOW;
      return calls.statx(folder, ptr(path), flags, STATX_BASIC_STATS, found) === 0;
    };
  } catch {
    // A C library from before the call.
    return null;
  }
}

/** Offsets of linux/stat.h; the same on every architecture, in the machine's byte order (both that run here are little-endian). */
function readState(): ObjectState {
  const type = FOUND.getUint16(28, true) & constants.S_IFMT;
  const mtimeNs = timeAt(112);
  return {
    mode: BigInt(FOUND.getUint16(28, true)),
    ino: FOUND.getBigUint64(32, true),
    size: FOUND.getBigUint64(40, true),
    ctimeNs: timeAt(96),
    mtimeNs,
    mtimeMs: mtimeNs / NS_PER_MS,
    isFile: () => type === constants.S_IFREG,
    isDirectory: () => type === constants.S_IFDIR,
    isSymbolicLink: () => type === constants.S_IFLNK,
  };
}

function timeAt(offset: number): bigint {
  const seconds = FOUND.getBigInt64(offset, true);
  return seconds * NS_PER_SECOND + BigInt(FOUND.getUint32(offset + 8, true));
}
