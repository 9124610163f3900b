// What the CLI is handed by the entry, and how a command reaches it.
// It must never hold more than the process's edges: argv, streams, time, signals, ways to call nodes.
// Next: cli.ts runs a command line with it; verb.ts is what hand-written verbs see of it.

import type { Clock } from "../../clock.ts";
import type { Caller } from "../../contract/caller.ts";
import type { CapabilityDescription } from "../../contract/description.ts";
import type { Stdio } from "./stdio.ts";
import type { Target } from "./target.ts";
import type { ConnectOptions, GlobalFlags, HandWrittenVerb } from "./verb.ts";

/** The process around the CLI. */
export interface CliContext {
  /** All capabilities; or only the one with this id, where there is one. */
  describe(only?: string): Promise<readonly CapabilityDescription[]>;
  /** A way to call nodes; whoever asks for it disposes of it. */
  connect(options: ConnectOptions): Promise<Caller>;
  readonly verbs: readonly HandWrittenVerb[];
  readonly stdio: Stdio;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly version: string;
  /** Aborts on SIGINT, SIGTERM and SIGHUP, with the signal's name as reason. */
  readonly signal: AbortSignal;
  /** SIGINT calls this instead, until it is disposed of; the shell outlives the calls it makes. */
  takeInterrupts?(run: () => void): Disposable;
  /** Replaces this process by itself with these environment variables; missing where the system cannot. */
  beginAnew?(variables: Readonly<Record<string, string>>): void;
  /** False where other commands write to the same terminal: a line that is written over would be in their way. */
  readonly hasProgress?: boolean;
  /** What words mean where a command line has a place to start from: in the shell. */
  readonly place?: WordPlace;
}

/** Where a command line starts from. */
export interface WordPlace {
  /** Node of operations that need not name one. */
  readonly node: string;
  /** @throws OperonError `cli.target_invalid` */
  target(word: string): Target;
}

/** One command line under way. */
export interface Running {
  readonly context: CliContext;
  readonly globals: GlobalFlags;
}

/** Whether a stream takes colours: a terminal that wants them, and nobody said no. */
export function isColored({ context, globals }: Running, stream: "stdout" | "stderr"): boolean {
  const { env, stdio } = context;
  return stdio[stream].isTty && globals.color && !env.NO_COLOR && env.TERM !== "dumb";
}
