// The few calls of the C library that the runtime does not offer: real pipes, subreaper, limits,
// reaping by pid.
// It must never be loaded before the first command runs: opening a library costs start-up time.
// Next: pipes.ts and process_tree.ts use it.

import { FFIType, type Pointer, ptr } from "bun:ffi";
import { openLibc } from "../../libc.ts";

const { i32, i64, ptr: pointer, u64 } = FFIType;
const O_CLOEXEC = 0o2000000;
const F_SETPIPE_SZ = 1031;
const FIONREAD = 0x541b;
const PR_SET_CHILD_SUBREAPER = 36;
/** Number of the realtime CPU limit. */
export const RLIMIT_RTTIME = 15;
const WNOHANG = 1;

/** A resource limit: what holds, and how far the process itself may raise it. */
export interface Limits {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** What this process asks the kernel for; `undefined` where the platform has no such call. */
export interface Libc {
  /**
   * A pipe whose ends no child inherits by accident: [read end, write end]. @throws when
   * descriptors run out
   */
  pipe(): readonly [number, number];
  /** Asks for a larger pipe buffer (bytes); harmless when refused. */
  growPipe(fd: number, sizeBytes: number): void;
  /** Bytes that can be read from a pipe now; 0 where that cannot be known. */
  waitingBytes(fd: number): number;
  /** Makes orphans below this process its children instead of init's. */
  becomeSubreaper(): boolean;
  /**
   * Sets the realtime CPU limits (µs) of a process, 0 for this one. They bind nobody but realtime
   * threads.
   */
  setRealtimeLimits(pid: number, limits: Limits): boolean;
  /** This process's own realtime CPU limits (µs). */
  ownRealtimeLimits(): Limits;
  /** Takes the exit status (wait(2)) of a dead child, so that it stops being a zombie; `undefined` while it lives. */
  exitStatus(pid: number): number | undefined;
  /** A system call the C library has no name for; -1 when it fails or there is none. */
  systemCall(number: number, ...args: readonly bigint[]): number;
}

let opened: Libc | undefined;

/** The C library, opened at the first call. */
export function libc(): Libc {
  opened ??= process.platform === "linux" ? openLinux() : openOther();
  return opened;
}

function openLinux(): Libc {
  const symbols = openLibc({
    pipe2: { args: [pointer, i32], returns: i32 },
    ioctl: { args: [i32, u64, pointer], returns: i32 },
    fcntl: { args: [i32, i32, u64], returns: i32 },
    prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
    prlimit: { args: [i32, i32, pointer, pointer], returns: i32 },
    waitpid: { args: [i32, pointer, i32], returns: i32 },
    syscall: { args: [i64, i64, i64, i64, i64], returns: i64 },
  });
  const none = null as Pointer | null;
  return {
    pipe() {
      const ends = new Int32Array(2);
      return pipeEnds(symbols.pipe2(ptr(ends), O_CLOEXEC), ends);
    },
    growPipe(fd, sizeBytes) {
      symbols.fcntl(fd, F_SETPIPE_SZ, BigInt(sizeBytes));
    },
    waitingBytes(fd) {
      const count = new Int32Array(1);
      return symbols.ioctl(fd, BigInt(FIONREAD), ptr(count)) === 0 ? count[0]! : 0;
    },
    becomeSubreaper: () => symbols.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0,
    setRealtimeLimits(pid, { soft, hard }) {
      const limits = new BigUint64Array([soft, hard]);
      return symbols.prlimit(pid, RLIMIT_RTTIME, ptr(limits), none) === 0;
    },
    ownRealtimeLimits() {
      const limits = new BigUint64Array(2);
      symbols.prlimit(0, RLIMIT_RTTIME, none, ptr(limits));
      return { soft: limits[0]!, hard: limits[1]! };
    },
    exitStatus(pid) {
      const status = new Int32Array(1);
      return symbols.waitpid(pid, ptr(status), WNOHANG) === pid ? status[0] : undefined;
    },
    systemCall(number, a = 0n, b = 0n, c = 0n, d = 0n) {
      return Number(symbols.syscall(BigInt(number), a, b, c, d));
    },
  };
}

/** Elsewhere children are started with all other descriptors closed, and orphans belong to init. */
function openOther(): Libc {
  const symbols = openLibc({ pipe: { args: [pointer], returns: i32 } });
  return {
    pipe() {
      const ends = new Int32Array(2);
      return pipeEnds(symbols.pipe(ptr(ends)), ends);
    },
    growPipe: () => {},
    waitingBytes: () => 0,
    becomeSubreaper: () => false,
    setRealtimeLimits: () => false,
    ownRealtimeLimits: () => ({ soft: 0n, hard: 0n }),
    exitStatus: () => undefined,
    systemCall: () => -1,
  };
}

function pipeEnds(result: number, ends: Int32Array): readonly [number, number] {
  if (result !== 0) throw new Error("No pipe: this process is out of descriptors");
  return [ends[0]!, ends[1]!];
}
