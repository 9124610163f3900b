// A pseudo-terminal, by the C library itself: the runtime's own terminals cannot be paused.
// It must never read ahead of who asks by more than the runtime's one buffer: the command waits then.
// Next: host.ts is the process that holds one; protocol.ts is how a node speaks to it.

import { CString, FFIType, ptr } from "bun:ffi";
import { closeSync, constants, writeSync } from "node:fs";
import { systemClock } from "../../../clock.ts";
import { openLibc } from "../../../libc.ts";
import { libc as execLibc } from "../libc.ts";

const { i32, ptr: pointer, u64 } = FFIType;
const TIOCSWINSZ = 0x5414n;
const F_SETFD = 2;
const FD_CLOEXEC = 1n;
/** Until a terminal whose program does not read is asked again whether it takes more input (ms). */
const FULL_MS = 10;

/** Size of a terminal in cells. */
export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

/** The controlling side of a pseudo-terminal. Whoever opens one closes it. */
export class PseudoTerminal implements Disposable {
  readonly #fd: number;
  readonly #slave: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isOpen = true;

  /** @throws Error when the system has no more terminals */
  constructor(size: TerminalSize) {
    const symbols = libc();
    const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
    this.#fd = symbols.posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (this.#fd < 0) throw new Error("This machine has no pseudo-terminal to give");
    symbols.fcntl(this.#fd, F_SETFD, FD_CLOEXEC);
    const name = new Uint8Array(128);
    const isReady =
      symbols.grantpt(this.#fd) === 0 &&
      symbols.unlockpt(this.#fd) === 0 &&
      symbols.ptsname_r(this.#fd, ptr(name), BigInt(name.byteLength)) === 0;
    if (!isReady) {
      closeSync(this.#fd);
      throw new Error("A pseudo-terminal could not be unlocked");
    }
    this.#slave = new CString(ptr(name)).toString();
    this.#reader = Bun.file(this.#fd).stream().getReader();
    this.resize(size);
  }

  /** Whether there is something to be read now. */
  get hasMore(): boolean {
    return execLibc().waitingBytes(this.#fd) > 0;
  }

  /** What it shows next; `undefined` once nobody has the other side open any more. One at a time. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      return (await this.#reader.read()).value;
    } catch {
      return undefined;
    }
  }

  /** Types; gives a promise only when its program has to read first. It rejects when nobody has the other side open. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    try {
      const taken = this.#writeSome(bytes);
      return taken === bytes.byteLength ? undefined : this.#writeRest(bytes.subarray(taken));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Tells the programs in it, too (SIGWINCH). */
  resize({ rows, cols }: TerminalSize): void {
    const size = new Uint16Array([rows, cols, 0, 0]);
    if (this.#isOpen) libc().ioctl(this.#fd, TIOCSWINSZ, ptr(size));
  }

  /** Path of the side programs see: the terminal of whoever is started with it. */
  get path(): string {
    return this.#slave;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // It has a descriptor of its own: programs lose their terminal when both are closed.
    void this.#reader.cancel().catch(() => {});
    closeSync(this.#fd);
  }

  async #writeRest(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.byteLength > 0; rest = rest.subarray(this.#writeSome(rest)))
      await systemClock.sleep(FULL_MS);
  }

  #writeSome(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
      throw error;
    }
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
