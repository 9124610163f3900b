// A pseudo-terminal and the command in it, by the C library itself: the runtime's own terminals cannot be paused.
// It must never be loaded in a daemon: reads of a terminal occupy a thread, and this process's children are reaped here.
// Next: host.ts is the process that holds one; protocol.ts is how a node speaks to it.

import { CString, FFIType, type Pointer, ptr } from "bun:ffi";
import { closeSync, constants } from "node:fs";
import { openLibc } from "../../../libc.ts";

const { i32, ptr: pointer, u64 } = FFIType;
const TIOCSWINSZ = 0x5414n;
const F_SETFD = 2;
const FD_CLOEXEC = 1n;
const WNOHANG = 1;
/** glibc and musl agree on these. */
const SPAWN_SETSIGDEF = 0x04;
const SPAWN_SETSIGMASK = 0x08;
const SPAWN_SETSID = 0x80;
/** More than `posix_spawnattr_t`, `posix_spawn_file_actions_t` and `sigset_t` need anywhere (bytes). */
const STRUCT_BYTES = 512;

/** Size of a terminal in cells. */
export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

/** What runs in a terminal. */
export interface TerminalCommand {
  readonly executable: string;
  /** All words, the name it is told first. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How a command ended: its own code, or the signal's number. */
export interface TerminalExit {
  readonly code: number | undefined;
  readonly signal: number | undefined;
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

  /**
   * Starts a command as leader of a session whose controlling terminal this is; its id. It is not a child the runtime
   * knows of: {@link exitOf} reaps it.
   * @throws NodeJS.ErrnoException when it cannot be started
   */
  spawn({ executable, argv, env }: TerminalCommand): number {
    const symbols = libc();
    const attributes = new Uint8Array(STRUCT_BYTES);
    const actions = new Uint8Array(STRUCT_BYTES);
    const all = new Uint8Array(STRUCT_BYTES);
    const none = new Uint8Array(STRUCT_BYTES);
    const pid = new Int32Array(1);
    const slave = cString(this.#slave);
    const file = cString(executable);
    const words = cStrings(argv);
    const variables = cStrings(Object.entries(env).map(([name, value]) => `${name}=${value}`));
    symbols.sigfillset(ptr(all));
    symbols.sigemptyset(ptr(none));
    symbols.posix_spawnattr_init(ptr(attributes));
    symbols.posix_spawn_file_actions_init(ptr(actions));
    symbols.posix_spawnattr_setflags(
      ptr(attributes),
      SPAWN_SETSID | SPAWN_SETSIGDEF | SPAWN_SETSIGMASK,
    );
    symbols.posix_spawnattr_setsigdefault(ptr(attributes), ptr(all));
    symbols.posix_spawnattr_setsigmask(ptr(attributes), ptr(none));
    // The leader of a session without a terminal gets the first one it opens.
    symbols.posix_spawn_file_actions_addopen(ptr(actions), 0, ptr(slave), constants.O_RDWR, 0);
    symbols.posix_spawn_file_actions_adddup2(ptr(actions), 0, 1);
    symbols.posix_spawn_file_actions_adddup2(ptr(actions), 0, 2);
    const failed = symbols.posix_spawn(
      ptr(pid),
      ptr(file),
      ptr(actions),
      ptr(attributes),
      ptr(words.pointers),
      ptr(variables.pointers),
    );
    symbols.posix_spawn_file_actions_destroy(ptr(actions));
    symbols.posix_spawnattr_destroy(ptr(attributes));
    if (failed !== 0) throw systemError(failed, executable);
    return pid[0]!;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.fd);
  }
}

/** How a child ended, once it has; `undefined` while it lives. Takes its status: ask once after that. */
export function exitOf(pid: number): TerminalExit | undefined {
  const status = new Int32Array(1);
  if (libc().waitpid(pid, ptr(status), WNOHANG) !== pid) return undefined;
  const signal = status[0]! & 0x7f;
  return signal === 0
    ? { code: (status[0]! >> 8) & 0xff, signal: undefined }
    : { code: undefined, signal };
}

/** A system's error as the runtime would throw it. */
function systemError(errno: number, executable: string): Error {
  const names: Readonly<Record<number, string>> = {
    1: "EPERM",
    2: "ENOENT",
    7: "E2BIG",
    8: "ENOEXEC",
    11: "EAGAIN",
    12: "ENOMEM",
    13: "EACCES",
    20: "ENOTDIR",
  };
  const code = names[errno] ?? `E${errno}`;
  return Object.assign(new Error(`${executable} could not be started (${code})`), {
    code,
    syscall: "posix_spawn",
  });
}

function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** A null-terminated array of strings; `strings` must stay referenced while C looks at it. */
function cStrings(texts: readonly string[]) {
  const strings = texts.map(cString);
  const pointers = new BigUint64Array(texts.length + 1);
  for (const [index, text] of strings.entries()) pointers[index] = BigInt(ptr(text) as Pointer);
  return { pointers, strings };
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
    waitpid: { args: [i32, pointer, i32], returns: i32 },
    sigfillset: { args: [pointer], returns: i32 },
    sigemptyset: { args: [pointer], returns: i32 },
    posix_spawnattr_init: { args: [pointer], returns: i32 },
    posix_spawnattr_destroy: { args: [pointer], returns: i32 },
    posix_spawnattr_setflags: { args: [pointer, i32], returns: i32 },
    posix_spawnattr_setsigdefault: { args: [pointer, pointer], returns: i32 },
    posix_spawnattr_setsigmask: { args: [pointer, pointer], returns: i32 },
    posix_spawn_file_actions_init: { args: [pointer], returns: i32 },
    posix_spawn_file_actions_destroy: { args: [pointer], returns: i32 },
    posix_spawn_file_actions_addopen: { args: [pointer, i32, pointer, i32, i32], returns: i32 },
    posix_spawn_file_actions_adddup2: { args: [pointer, i32, i32], returns: i32 },
    posix_spawn: { args: [pointer, pointer, pointer, pointer, pointer, pointer], returns: i32 },
  });
}
