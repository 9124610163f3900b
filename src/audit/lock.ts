import { FFIType } from "bun:ffi";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { openLibc } from "../libc.ts";

const LOCK_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NON_BLOCKING = 4;
const LOCK_RELEASE = 8;

/** A lock other processes respect (flock on a file of its own); the kernel drops it when its holder dies. */
export class ProcessLock implements Disposable {
  readonly #path: string;
  #fd: number;

  /** Creates the lock file (0600) when it is missing, unless told not to. */
  constructor(path: string, options: { readonly create?: boolean } = {}) {
    this.#path = path;
    this.#fd = openLockFile(path, options.create ?? true);
  }

  /**
   * Waits without blocking the event loop: a stopped process may hold the lock for long.
   * @throws OperonError `audit.locked` after `timeoutMs`
   */
  async acquire(
    mode: "shared" | "exclusive",
    wait: { readonly clock: Clock; readonly timeoutMs: number },
  ): Promise<void> {
    const operation = (mode === "shared" ? LOCK_SHARED : LOCK_EXCLUSIVE) | LOCK_NON_BLOCKING;
    if (this.#try(operation)) return;
    const untilMs = wait.clock.monotonicMs() + wait.timeoutMs;
    for (let spins = 0; ; spins++) {
      if (spins < SPINS) await new Promise((resolve) => setImmediate(resolve));
      else await wait.clock.sleep(1);
      if (this.#try(operation)) return;
      if (wait.clock.monotonicMs() >= untilMs) throw locked(this.#path);
    }
  }

  release(): void {
    libc().flock(this.#fd, LOCK_RELEASE);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
  }

  #try(operation: number): boolean {
    if (libc().flock(this.#fd, operation) !== 0) return false;
    // A lock on a file that was deleted holds nobody off: move to the one that has its name now.
    if (fstatSync(this.#fd).nlink > 0) return true;
    closeSync(this.#fd);
    this.#fd = openLockFile(this.#path, true);
    return libc().flock(this.#fd, operation) === 0;
  }
}

/** Turns of the event loop to try again at once before sleeping between tries: holders need microseconds. */
const SPINS = 200;

function openLockFile(path: string, create: boolean): number {
  const flags = create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY;
  return openSync(path, flags | constants.O_NOFOLLOW, 0o600);
}

function locked(path: string): OperonError {
  return new OperonError({
    code: "audit.locked",
    kind: "unavailable",
    message: "Another process has held the audit log's lock for too long",
    hint: `Find it with: lsof ${path}`,
  });
}

interface Libc {
  flock(fd: number, operation: number): number;
}

let loaded: Libc | undefined;

function libc(): Libc {
  loaded ??= loadLibc();
  return loaded;
}

function loadLibc(): Libc {
  try {
    const { i32 } = FFIType;
    return openLibc({ flock: { args: [i32, i32], returns: i32 } });
  } catch (cause) {
    throw unavailable(cause);
  }
}

function unavailable(cause: unknown): OperonError {
  return new OperonError({
    code: "audit.unavailable",
    kind: "unimplemented",
    message: `The audit log cannot lock files on ${process.platform}`,
    hint: "Run operon on Linux or macOS",
    cause,
  });
}
