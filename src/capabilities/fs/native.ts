// The few calls of the C library that the runtime does not offer: locks, links by descriptor, renames that do not replace.
// It must never be loaded before it is needed: opening a library costs start-up time.
// Next: folder_lock.ts, staged_file.ts, rename.ts, folder_reader.ts and copy.ts use it.

import { FFIType, type Pointer, ptr, read } from "bun:ffi";
import { lutimesSync } from "node:fs";
import { constants } from "node:os";
import { openLibc } from "../../libc.ts";

/** No child inherits the descriptor. */
export const O_CLOEXEC = process.platform === "darwin" ? 0x1000000 : 0o2000000;
/** Linux: names an object without opening it. */
export const O_PATH = 0o10000000;
/** Linux: a file without a name; with O_DIRECTORY, whose value differs between machines. */
export const O_TMPFILE_BIT = 0o20000000;

const LOCK_EXCLUSIVE = 2;
const LOCK_NON_BLOCKING = 4;
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const RENAME_NOREPLACE = 1;
const RENAME_EXCL = 4;
const O_NONBLOCK = 0o4000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = (1n << 30n) - 2n;
const NS_PER_SECOND = 1_000_000_000n;

/** What is asked of the kernel. Failures throw an error whose `code` is the errno's name. */
export interface Native {
  /** Takes an exclusive lock that other processes respect; false when another holds it. Closing the descriptor frees it. */
  tryLock(fd: number): boolean;
  /** Gives a file without a name (O_TMPFILE) its first name; fails when the name is taken. */
  linkDescriptor(fd: number, folder: number, name: string): void;
  /** Renames unless the target exists (EEXIST). */
  renameNoReplace(from: NameInFolder, to: NameInFolder): void;
  /** Reads a batch of raw folder entries into `buffer`; 0 at the end. `undefined` where the platform has no such call. */
  readonly getdents: ((fd: number, buffer: Uint8Array) => number) | undefined;
  /** Copies up to `bytes` from file to file inside the kernel, from where both stand. */
  readonly copyRange: ((from: number, to: number, bytes: number) => number) | undefined;
  /** Notices of changes in folders. `undefined` where the platform has no such calls. */
  readonly notices: NoticeCalls | undefined;
  /** Sets when an object's content changed last (ns); a link named by the path gets the time itself. */
  setModified(path: string, modifiedNs: bigint): void;
}

/** Linux's inotify. */
export interface NoticeCalls {
  /** A new queue that never waits; no child inherits it. */
  open(): number;
  add(queue: number, path: string, bits: number): number;
  remove(queue: number, watch: number): void;
}

/** A name relative to an open folder. */
export interface NameInFolder {
  readonly fd: number;
  readonly name: string;
}

let opened: Native | undefined;

/** The C library, opened at the first call. */
export function native(): Native {
  opened ??= process.platform === "darwin" ? openDarwin() : openLinux();
  return opened;
}

const { i32, i64, u32, ptr: pointer } = FFIType;
/** System call numbers (asm/unistd.h). */
const NUMBERS =
  process.arch === "arm64"
    ? { getdents64: 61n, renameat2: 276n, copy_file_range: 285n }
    : { getdents64: 217n, renameat2: 316n, copy_file_range: 326n };

function openLinux(): Native {
  const symbols = openLibc({
    flock: { args: [i32, i32], returns: i32 },
    linkat: { args: [i32, pointer, i32, pointer, i32], returns: i32 },
    inotify_init1: { args: [i32], returns: i32 },
    inotify_add_watch: { args: [i32, pointer, u32], returns: i32 },
    inotify_rm_watch: { args: [i32, i32], returns: i32 },
    utimensat: { args: [i32, pointer, pointer, i32], returns: i32 },
    // Not every C library wraps the younger calls.
    syscall: { args: [i64, i64, i64, i64, i64, i64, i64], returns: i64 },
    __errno_location: { args: [], returns: pointer },
  });
  const errno = () => read.i32(symbols.__errno_location() as Pointer, 0);
  const syscall = (number: bigint, ...words: readonly (number | bigint)[]) => {
    const [a, b, c, d, e, f] = [...words, 0, 0, 0, 0, 0, 0].map((word) => BigInt(word));
    return Number(symbols.syscall(number, a!, b!, c!, d!, e!, f!));
  };
  return {
    tryLock: (fd) => locked(symbols.flock(fd, LOCK_EXCLUSIVE | LOCK_NON_BLOCKING), errno),
    linkDescriptor(fd, folder, name) {
      const source = cString(`/proc/self/fd/${fd}`);
      const target = cString(name);
      const result = symbols.linkat(AT_FDCWD, ptr(source), folder, ptr(target), AT_SYMLINK_FOLLOW);
      check(result, "link", errno);
    },
    renameNoReplace(from, to) {
      const [old, fresh] = [cString(from.name), cString(to.name)];
      const words = [from.fd, ptr(old), to.fd, ptr(fresh), RENAME_NOREPLACE];
      check(syscall(NUMBERS.renameat2, ...words), "rename", errno);
    },
    getdents(fd, buffer) {
      const got = syscall(NUMBERS.getdents64, fd, ptr(buffer), buffer.byteLength);
      return check(got, "getdents", errno);
    },
    copyRange(from, to, bytes) {
      return check(syscall(NUMBERS.copy_file_range, from, 0, to, 0, bytes, 0), "copy", errno);
    },
    notices: {
      open: () => check(symbols.inotify_init1(O_NONBLOCK | O_CLOEXEC), "inotify_init1", errno),
      add(queue, path, bits) {
        const name = cString(path);
        const watch = symbols.inotify_add_watch(queue, ptr(name), bits);
        return check(watch, "inotify_add_watch", errno);
      },
      remove(queue, watch) {
        check(symbols.inotify_rm_watch(queue, watch), "inotify_rm_watch", errno);
      },
    },
    setModified(path, modifiedNs) {
      const name = cString(path);
      // A descriptor's path is itself a link, which must be followed to the object it pins.
      const flags = DESCRIPTOR_PATH.test(path) ? 0 : AT_SYMLINK_NOFOLLOW;
      const times = timesOf(modifiedNs);
      check(symbols.utimensat(AT_FDCWD, ptr(name), ptr(times), flags), "utimensat", errno);
    },
  };
}

function openDarwin(): Native {
  const symbols = openLibc({
    flock: { args: [i32, i32], returns: i32 },
    renameatx_np: { args: [i32, pointer, i32, pointer, u32], returns: i32 },
    __error: { args: [], returns: pointer },
  });
  const errno = () => read.i32(symbols.__error() as Pointer, 0);
  return {
    tryLock: (fd) => locked(symbols.flock(fd, LOCK_EXCLUSIVE | LOCK_NON_BLOCKING), errno),
    linkDescriptor() {
      throw systemError("ENOTSUP", "link");
    },
    renameNoReplace(from, to) {
      const [old, fresh] = [cString(from.name), cString(to.name)];
      check(
        symbols.renameatx_np(from.fd, ptr(old), to.fd, ptr(fresh), RENAME_EXCL),
        "rename",
        errno,
      );
    },
    getdents: undefined,
    copyRange: undefined,
    notices: undefined,
    setModified(path, modifiedNs) {
      const seconds = Number(modifiedNs) / Number(NS_PER_SECOND);
      lutimesSync(path, seconds, seconds);
    },
  };
}

const DESCRIPTOR_PATH = /^\/proc\/self\/fd\/\d+$/;

/** Two struct timespec: when it was read last is left alone. */
function timesOf(modifiedNs: bigint): BigInt64Array {
  const nanoseconds = ((modifiedNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  return new BigInt64Array([
    0n,
    UTIME_OMIT,
    (modifiedNs - nanoseconds) / NS_PER_SECOND,
    nanoseconds,
  ]);
}

/** A disk that knows no locks cannot exclude other processes; within this one, changes exclude each other anyway. */
function locked(result: number, errno: () => number): boolean {
  return result === 0 || errno() !== constants.errno.EWOULDBLOCK;
}

function check(result: number, call: string, errno: () => number): number {
  if (result >= 0) return result;
  const number = errno();
  const name = Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
  throw systemError(name ?? `E${number}`, call);
}

function systemError(code: string, call: string): Error {
  return Object.assign(new Error(`${call}: ${code}`), { code });
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
