// Starts a command with all its restrictions on from its first instruction, on Linux without a process in between.
// It must never start one whose restrictions could not be put on: it throws instead, and nothing runs. Where it can put on
// none at all (`canRestrictCommands`), confinement.ts decides whether one may start that has none.
// Next: launch.c is what happens between vfork and execve; confinement.ts says which restrictions.

import { FFIType, type Pointer, ptr } from "bun:ffi";
import { constants } from "node:os";
import { compileC } from "../../../compiled_c.ts";
import { openLibc } from "../../../libc.ts";
import { libc, RLIMIT_RTTIME } from "../libc.ts";
import { type Exit, exitOfChild } from "./exit.ts";
import source from "./launch.c" with { type: "text" };

/** What a command may not do; nothing of it can be undone by the command. */
export interface Restrictions {
  /** Files that take a process into a control group. */
  readonly groups: readonly string[];
  /** Resource (setrlimit(2)) and the most of it. */
  readonly limits: readonly (readonly [resource: number, most: bigint])[];
  /** Whether programs may not give it more rights than it has (sudo, setuid). */
  readonly no_new_privileges: boolean;
  /** Descriptor of a Landlock ruleset. */
  readonly ruleset: number | undefined;
  /** Folders and files it finds empty. */
  readonly hidden: readonly string[];
  /** Capabilities it loses for good, by number (capabilities(7)). */
  readonly lost_capabilities: readonly number[];
}

/** A command that may do what this process may. */
export const NO_RESTRICTIONS: Restrictions = {
  groups: [],
  limits: [],
  no_new_privileges: false,
  ruleset: undefined,
  hidden: [],
  lost_capabilities: [],
};

/** What to start. */
export interface Launch {
  /** Without one nothing is started: whether the restrictions can be had is all that is asked. */
  readonly executable: string | undefined;
  /** All words, the name it is told first. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Host path of the working directory. */
  readonly folder: string;
  /** Descriptors, or the path of a terminal that becomes the controlling one. */
  readonly stdio: readonly [number, number, number] | string;
  readonly restrictions: Restrictions;
}

/** A command that was started. */
export interface Launched {
  readonly pid: number;
  /** Resolves when it has ended and was reaped. */
  readonly exited: Promise<Exit>;
}

/** The steps of launch.c. */
const STEPS = ["start", "setup", "folder", "group", "limits", "protection", "execute"] as const;

/** Why a command was not started: a system's error, with the step of it. */
export interface LaunchError extends NodeJS.ErrnoException {
  readonly step: (typeof STEPS)[number];
}

/** Starts a command as leader of a session and group of its own. @throws LaunchError */
export function launch(command: Launch): Launched {
  const start = launcher();
  if (!start) return launchPlainly(command);
  const order = new Order(command);
  const pid = Number(start(order.pointer));
  if (pid < 0) throw launchError(-pid, { step: order.failedStep, command });
  return { pid, exited: exitOfChild(pid) };
}

/** Whether commands can be started with restrictions at all: on Linux, where launch.c could be compiled. */
export function canRestrictCommands(): boolean {
  return launcher() !== undefined;
}

/** Whether these restrictions can be put on a process here. */
export function canRestrict(restrictions: Restrictions): boolean {
  const order = new Order({
    executable: undefined,
    argv: [],
    environment: {},
    folder: "/",
    stdio: [0, 0, 0],
    restrictions,
  });
  // Nothing runs: the process ends where it would become the program, and says that nothing was wrong.
  return Number(launcher()?.(order.pointer) ?? -1) === 0;
}

/** `struct order` of launch.c, with everything it points to. */
class Order {
  readonly #fields: BigInt64Array;
  /** What C looks at must stay referenced while it does. */
  readonly #kept: unknown[] = [];

  constructor({ executable, argv, environment, folder, stdio, restrictions }: Launch) {
    const { groups, limits, no_new_privileges, ruleset, hidden, lost_capabilities } = restrictions;
    const numbers = typeof stdio === "string" ? [-1, -1, -1] : stdio;
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    this.#fields = new BigInt64Array([
      executable === undefined ? 0n : this.#text(executable),
      this.#texts(argv),
      this.#texts(variables),
      this.#text(folder),
      ...numbers.map(BigInt),
      typeof stdio === "string" ? this.#text(stdio) : 0n,
      this.#texts(groups),
      this.#words(limits.flatMap(([resource, most]) => [BigInt(resource), most, most])),
      BigInt(limits.length),
      no_new_privileges ? 1n : 0n,
      BigInt(ruleset ?? -1),
      this.#texts(hidden),
      this.#words([...lost_capabilities.map(BigInt), -1n]),
      0n,
    ]);
  }

  get pointer(): Pointer {
    return ptr(this.#fields);
  }

  get failedStep(): LaunchError["step"] {
    return STEPS[Number(this.#fields.at(-1))] ?? "start";
  }

  #text(text: string): bigint {
    const bytes = new TextEncoder().encode(`${text}\0`);
    this.#kept.push(bytes);
    return BigInt(ptr(bytes));
  }

  #texts(texts: readonly string[]): bigint {
    return this.#words([...texts.map((text) => this.#text(text)), 0n]);
  }

  #words(words: readonly bigint[]): bigint {
    const array = new BigInt64Array(words.length === 0 ? [0n] : words);
    this.#kept.push(array);
    return BigInt(ptr(array));
  }
}

type Launcher = (order: Pointer) => bigint | number;

let compiled: { readonly launcher: Launcher | undefined } | undefined;

/** launch.c, compiled into this process at the first command (2 ms); `undefined` where that cannot be done. */
function launcher(): Launcher | undefined {
  compiled ??= { launcher: process.platform === "linux" ? compile() : undefined };
  return compiled.launcher;
}

/** What launch.c uses of the C library, in its order. Their types stand there. */
const USED = [
  ...["vfork", "_exit", "execve", "setsid", "chdir", "open", "write", "close", "dup2", "fcntl"],
  ...["ioctl", "prctl", "setrlimit", "unshare", "mount", "sigprocmask", "signal", "syscall"],
  ...["__errno_location", "waitpid"],
];

function compile(): Launcher | undefined {
  const found = openLibc(Object.fromEntries(USED.map((name) => [name, {}])));
  const addresses = USED.map((name) => (found[name] as unknown as { ptr: number }).ptr);
  try {
    const { launch, use } = compileC(source, {
      use: { args: [FFIType.ptr] },
      launch: { args: [FFIType.ptr], returns: FFIType.i64 },
    });
    use(ptr(new BigInt64Array(addresses.map(BigInt))));
    return launch;
  } catch {
    return undefined;
  }
}

/** Without any restriction, and without a terminal that controls it. */
function launchPlainly(command: Launch): Launched {
  const { executable, argv, environment, folder, stdio, restrictions } = command;
  if (typeof stdio === "string")
    throw launchError(constants.errno.ENOSYS, { step: "setup", command });
  const [argv0 = "", ...rest] = argv;
  const child = Bun.spawn([executable ?? argv0, ...rest], {
    argv0,
    cwd: folder,
    env: environment,
    stdio: [...stdio],
    detached: true,
  });
  const tag = restrictions.limits.find(([resource]) => resource === RLIMIT_RTTIME)?.[1];
  if (tag !== undefined) libc().setRealtimeLimits(child.pid, { soft: tag, hard: tag });
  const exit = (): Exit => {
    const signal = child.signalCode as NodeJS.Signals | null;
    if (signal === null) return { code: child.exitCode ?? undefined, signal: undefined };
    return { code: undefined, signal: constants.signals[signal] };
  };
  return { pid: child.pid, exited: child.exited.then(exit) };
}

function launchError(
  errno: number,
  { step, command }: { step: LaunchError["step"]; command: Launch },
): LaunchError {
  const found = Object.entries(constants.errno).find(([, number]) => number === errno);
  const code = found?.[0] ?? `E${errno}`;
  const message = `${command.executable} could not be started (${step}: ${code})`;
  return Object.assign(new Error(message), { code, errno, step, syscall: "execve" });
}
