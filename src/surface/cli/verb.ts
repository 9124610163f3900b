// What a hand-written verb is: a command that cannot be a call to a node (`onboard`, `daemon start`, `completion`).
// It must never be a second way to do what an operation does.
// Next: grammar.ts puts verbs and operations into one tree; the entry lists the verbs.

import type { Clock } from "../../clock.ts";
import type { Caller } from "../../contract/caller.ts";
import type { CapabilityDescription } from "../../contract/description.ts";
import type { ValueSource, View } from "../../contract/operation.ts";
import type { Stdio } from "./stdio.ts";

/** How the word after a flag is read. */
export type FlagKind = "string" | "integer" | "number" | "boolean" | "list" | "map" | "json";

/** A flag of a command. */
export interface Flag {
  /** Without dashes, kebab case. */
  readonly name: string;
  readonly short?: string;
  readonly kind: FlagKind;
  /** Kind of a list's items or a map's values; default `string`. */
  readonly item?: FlagKind;
  readonly summary?: string;
  /** What stands for the value in help: `FILE`. */
  readonly value?: string;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** Where completion finds values. */
  readonly completes_from?: ValueSource;
  /** `folder`: names one of the node that is called. */
  readonly form?: "folder";
  readonly default?: unknown;
  readonly required?: boolean;
  readonly hidden?: boolean;
}

/** A positional argument of a hand-written verb. */
export interface VerbArgument {
  readonly name: string;
  readonly summary?: string;
  readonly optional?: boolean;
  readonly variadic?: boolean;
  /** The only words it takes. */
  readonly choices?: readonly string[];
  /** What it names: completion offers these. */
  readonly names?: "local_file" | "path";
}

/** A hand-written verb. */
export interface HandWrittenVerb {
  /** `["daemon", "start"]` */
  readonly path: readonly string[];
  readonly summary: string;
  /** Each line of it starts a line of the help. */
  readonly description?: string;
  readonly args?: readonly VerbArgument[];
  readonly flags?: readonly Flag[];
  /** Command lines without the leading `operon`. */
  readonly examples?: readonly string[];
  readonly aliases?: readonly string[];
  readonly hidden?: true;
  /** It is the shell: what `operon` alone opens on a terminal. */
  readonly isShell?: true;
  /** Resolves to the process's exit code. Throw an OperonError to fail. */
  run(input: VerbInput, context: VerbContext): Promise<number>;
}

/** What was typed. */
export interface VerbInput {
  /** Positional arguments by name; a variadic one is an array. Optional ones may be missing. */
  readonly args: Readonly<Record<string, string | readonly string[]>>;
  /** Flags by name (kebab case), converted by kind; defaults are filled in. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Words after `--`; `undefined` when there was none. */
  readonly rest: readonly string[] | undefined;
}

/** Flags every command takes. */
export interface GlobalFlags {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Do not ask. */
  readonly yes: boolean;
  readonly color: boolean;
  readonly help: boolean;
  readonly version: boolean;
  readonly config: string | undefined;
  readonly home: string | undefined;
  readonly identity: string | undefined;
  readonly timeoutSecs: number | undefined;
}

/** As whom to call, from which home, and for how long. */
export interface ConnectOptions extends Pick<GlobalFlags, "home" | "config" | "identity"> {
  /** The caller is for a command that stays: it takes the shortest way, and finds a daemon again that was restarted. */
  readonly lasts?: boolean;
  /** Through the daemon that runs, and otherwise not at all: nothing is opened, made or written here. */
  readonly onlyDaemon?: boolean;
}

/** What a verb works with. */
export interface VerbContext {
  readonly globals: GlobalFlags;
  readonly stdio: Stdio;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly version: string;
  /** Aborts on SIGINT, SIGTERM, SIGHUP. */
  readonly signal: AbortSignal;
  describe(): Promise<readonly CapabilityDescription[]>;
  /** A caller that honours `--home`, `--config`, `--identity`, or these; the verb disposes of it. */
  connect(options?: ConnectOptions): Promise<Caller>;
  /** Prints a result: as text laid out by the view, or as one JSON document with `--json`. */
  show(result: unknown, view?: View): Promise<void>;
  /** SIGINT calls this instead of ending the verb, until it is disposed of. */
  takeInterrupts(run: () => void): Disposable;
  /** Replaces this process by itself with these environment variables; returns where the system cannot. */
  beginAnew(variables: Readonly<Record<string, string>>): void;
  /** A remark for people, on standard error; nothing with `--quiet`. */
  note(text: string): Promise<void>;
}
