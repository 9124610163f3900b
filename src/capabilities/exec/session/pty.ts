// A pseudo-terminal, by the C library itself: the runtime's own terminals cannot be paused.
// It must never be loaded in a daemon: reads of a terminal occupy a thread.
// Next: host.ts is the process that holds one; protocol.ts is how a node speaks to it.

import { CString, FFIType, ptr } from "bun:ffi";
import { closeSync, constants } from "node:fs";
import { openLibc } from "../../../libc.ts";

const { i32, ptr: pointer, u64 } = FFIType;
const TIOCSWINSZ = 0x5414n;
const F_SETFD = 2;
const FD_CLOEXEC = 1n;

/** Size of a terminal in cells. */
export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

/** The controlling side of a pseudo-terminal. Whoever opens one closes it. */
export class PseudoTerminal implements Disposable {
  /** For blocking reads and writes off the main thread. */
  readonly fd: number;
  readonly #slave: string;
  #isOpen = true;

  /** @throws Error when the system has no more terminals */
  constructor(size: TerminalSize) {
    const symbols = libc();
    this.fd = symbols.posix_openpt(constants.O_RDWR | constants.O_NOCTTY);
    if (this.fd < 0) throw new Error("This machine has no pseudo-terminal to give");
    symbols.fcntl(this.fd, F_SETFD, FD_CLOEXEC);
    const name = new Uint8Array(128);
    const isReady =
      symbols.grantpt(this.fd) === 0 &&
      symbols.unlockpt(this.fd) === 0 &&
      symbols.ptsname_r(this.fd, ptr(name), BigInt(name.byteLength)) === 0;
    if (!isReady) {
      closeSync(this.fd);
      throw new Error("A pseudo-terminal could not be unlocked");
    }
    this.#slave = new CString(ptr(name)).toString();
    this.resize(size);
  }

  /** Tells the programs in it, too (SIGWINCH). */
  resize({ rows, cols }: TerminalSize): void {
    const size = new Uint16Array([rows, cols, 0, 0]);
    if (this.#isOpen) libc().ioctl(this.fd, TIOCSWINSZ, ptr(size));
  }

  /** Path of the side programs see: the terminal of whoever is started with it. */
  get path(): string {
    return this.#slave;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.fd);
  }
}

let opened: ReturnType<typeof open> | undefined;

function libc() {
  opened ??= open();
  return opened;
}

function open() {
  return openLibc({
    posix_openpt: { args: [i32], returns: i32 },
    grantpt: { args: [i32], returns: i32 },
    unlockpt: { args: [i32], returns: i32 },
    ptsname_r: { args: [i32, pointer, u64], returns: i32 },
    ioctl: { args: [i32, u64, pointer], returns: i32 },
    fcntl: { args: [i32, i32, u64], returns: i32 },
  });
}
