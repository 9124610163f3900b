// Runs one command: starts it, passes its output on as it comes, feeds its input, ends it with
// everything it started.
// It must never look a command up again, never give it more than three descriptors, and never
// outlive its caller.
// Next: facts.ts says what to execute, pipes.ts moves the bytes, process_tree.ts kills.

import type { Clock } from "../../clock.ts";
import {
  Confinement,
  type ConfinementOrder,
  type ConfinementReport,
} from "./launch/confinement.ts";
import { type Exit, signalName } from "./launch/exit.ts";
import { type Launched, launch, type Restrictions } from "./launch/launch.ts";
import { Input, Output, type OutputChunk, Pipe } from "./pipes.ts";
import { ProcessTree, tagLimit } from "./process_tree.ts";

/** Time between SIGTERM and SIGKILL for what a command left behind when it ended by itself (ms). */
const LEFTOVER_GRACE_MS = 100;

/** As `timeout` of coreutils has it. */
const EXIT_TIMEOUT = 124;
/** The command could not be killed, so it has no exit code yet. */
const EXIT_UNKNOWN = 137;

/** What to run, all decided. */
export interface Command {
  /** Host path of the file. */
  readonly executable: string;
  readonly argv0: string;
  /** The words after the first. */
  readonly rest: readonly string[];
  /** Host path of the working directory; must stay valid until the command has started. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeout_secs: number;
  readonly output_bytes_max: number | undefined;
  readonly background: "keep" | "kill";
  readonly confinement: ConfinementOrder;
  readonly incoming: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Called once it runs. */
  readonly started?: () => void;
}

/** How a command ended. */
export interface Ending {
  readonly exit_code: number;
  readonly signal?: string;
  readonly timed_out: boolean;
  readonly output_limit: boolean;
  readonly duration_ms: number;
  readonly stdout_bytes: number;
  readonly stderr_bytes: number;
  readonly protection: ConfinementReport["protection"];
  readonly limits_enforced: ConfinementReport["limits_enforced"];
}

/** Name of an output of a command. */
export type Channel = "stdout" | "stderr";

/**
 * Runs a command to its end. Throws the system's error when it cannot be started, the signal's
 * reason when aborted, the caller's error when its stream breaks; in each case nothing of the
 * command is left.
 */
export async function* run(
  command: Command,
): AsyncGenerator<OutputChunk<Channel>, Ending, undefined> {
  command.signal.throwIfAborted();
  using stdin = new Pipe();
  using stdout = new Pipe();
  using stderr = new Pipe();
  const startMs = command.clock.monotonicMs();
  using confinement = new Confinement(command.confinement, command.folder);
  const { restrictions } = confinement;
  using tree = new ProcessTree(
    (tag) => spawn(command, { stdin, stdout, stderr, restrictions, tag }),
    confinement.group,
  );
  command.started?.();
  stdin.close(stdin.readEnd);
  stdout.close(stdout.writeEnd);
  stderr.close(stderr.writeEnd);
  await using input = new Input(stdin.writeEnd);
  await using output = new Output<Channel>(
    { stdout: stdout.readEnd, stderr: stderr.readEnd },
    command.clock,
  );
  let exit: Exit | undefined;
  const exited = tree.child.exited.then((found) => {
    exit = found;
    tree.exited();
    output.exited();
  });
  await using supervisor = new Supervisor(command, { tree, output });
  input.feed(command.incoming).then(
    () => stdin.close(stdin.writeEnd),
    (reason) => supervisor.end({ kind: "abort", reason }),
  );
  const count = { stdout: 0, stderr: 0 };
  for await (const chunk of output.chunks()) {
    count[chunk.channel] += chunk.bytes.byteLength;
    if (count.stdout + count.stderr > (command.output_bytes_max ?? Number.POSITIVE_INFINITY)) {
      supervisor.end({ kind: "output_limit" });
      break;
    }
    yield chunk;
  }
  // Its outputs may have ended long before the command does.
  await Promise.race([exited, supervisor.killed]);
  await supervisor.finish();
  const cause = supervisor.cause;
  if (cause?.kind === "abort") throw cause.reason;
  return {
    ...endingOf(exit, cause?.kind === "timeout"),
    output_limit: cause?.kind === "output_limit",
    duration_ms: Math.round(command.clock.monotonicMs() - startMs),
    stdout_bytes: count.stdout,
    stderr_bytes: count.stderr,
    ...confinement.report,
  };
}

interface SpawnParts extends Readonly<Record<"stdin" | Channel, Pipe>> {
  readonly restrictions: Restrictions;
  readonly tag: bigint;
}

function spawn(
  { executable, argv0, rest, environment, folder }: Command,
  { stdin, stdout, stderr, restrictions, tag }: SpawnParts,
): Launched {
  return launch({
    executable,
    argv: [argv0, ...rest],
    environment,
    folder,
    stdio: [stdin.readEnd, stdout.writeEnd, stderr.writeEnd],
    restrictions: { ...restrictions, limits: [...restrictions.limits, tagLimit(tag)] },
  });
}

function endingOf(
  exit: Exit | undefined,
  timed_out: boolean,
): Pick<Ending, "exit_code" | "signal" | "timed_out"> {
  const { code, signal } = exit ?? {};
  const own = signal === undefined ? (code ?? EXIT_UNKNOWN) : 128 + signal;
  return {
    exit_code: timed_out ? EXIT_TIMEOUT : own,
    ...(signal === undefined ? {} : { signal: signalName(signal) }),
    timed_out,
  };
}

/** What makes us end a command that would have gone on. */
type Cause =
  | { readonly kind: "timeout" }
  | { readonly kind: "output_limit" }
  | { readonly kind: "abort"; readonly reason: unknown };

/**
 * Watches over one command: ends it in time, or when its caller goes, and leaves nothing behind.
 */
class Supervisor implements AsyncDisposable {
  /** Why the command was ended; `undefined` while it was not. The first cause counts. */
  cause: Cause | undefined;
  /** Resolves when an ended command is gone; never when none was ended. */
  readonly killed: Promise<void>;
  readonly #command: Command;
  readonly #tree: ProcessTree<Launched>;
  readonly #output: Output<Channel>;
  readonly #timer: Disposable;
  readonly #abort = () => this.end({ kind: "abort", reason: this.#command.signal.reason });
  #resolveKilled: () => void = () => {};
  #isFinished = false;

  constructor(
    command: Command,
    { tree, output }: { tree: ProcessTree<Launched>; output: Output<Channel> },
  ) {
    this.#command = command;
    this.#tree = tree;
    this.#output = output;
    this.killed = new Promise((resolve) => {
      this.#resolveKilled = resolve;
    });
    command.signal.addEventListener("abort", this.#abort, { once: true });
    this.#timer = command.clock.after(command.timeout_secs * 1000, () => {
      this.end({ kind: "timeout" });
    });
  }

  /** Ends the command with all its children. After a timeout its last output is still delivered. */
  end(cause: Cause): void {
    if (this.cause || this.#isFinished) return;
    this.cause = cause;
    if (cause.kind !== "timeout") this.#output.stop();
    this.#tree.kill(this.#command.clock).finally(() => {
      this.#output.exited();
      this.#resolveKilled();
    });
  }

  /** The command has ended: waits for what ends it, and deals with what it left behind. */
  async finish(): Promise<void> {
    this.#stopWatching();
    if (this.cause) return await this.killed;
    this.#isFinished = true;
    if (this.#command.background === "keep") return this.#tree.keep();
    if (this.#tree.isAlive()) await this.#tree.kill(this.#command.clock, LEFTOVER_GRACE_MS);
  }

  /**
   * Left without an ending, because whoever reads the output went away: nothing may go on unseen.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isFinished) return;
    this.end({ kind: "abort", reason: undefined });
    this.#stopWatching();
    await this.killed;
  }

  #stopWatching(): void {
    this.#timer[Symbol.dispose]();
    this.#command.signal.removeEventListener("abort", this.#abort);
  }
}
