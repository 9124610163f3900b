import type { Clock } from "../../clock.ts";
import type { Caller } from "../../contract/caller.ts";
import type { CapabilityDescription } from "../../contract/description.ts";
import type { Stdio } from "./stdio.ts";

/** Flags that every command understands, wherever they stand. */
export interface GlobalFlags {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly yes: boolean;
  readonly verbose: boolean;
  readonly help: boolean;
  readonly version: boolean;
  readonly noColor: boolean;
  readonly config: string | undefined;
  readonly home: string | undefined;
  readonly identity: string | undefined;
}

/** What the CLI is given; main.ts makes the real one. */
export interface CliContext {
  describe(): Promise<readonly CapabilityDescription[]>;
  /** A way to call nodes. @throws OperonError when there is no home */
  connect(options: Pick<GlobalFlags, "home" | "config" | "identity">): Promise<Caller>;
  readonly verbs: readonly HandWrittenVerb[];
  readonly stdio: Stdio;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly version: string;
  /** Aborts on SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
}

/** A flag of a hand-written verb. */
export interface VerbFlag {
  readonly name: string;
  readonly summary: string;
  readonly kind: "boolean" | "text";
}

/** What a hand-written verb is run with. */
export interface VerbCall {
  readonly positionals: readonly string[];
  /** By flag name. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly globals: GlobalFlags;
  readonly context: CliContext;
}

/** A command that cannot be a call to a node. */
export interface HandWrittenVerb {
  /** `["daemon", "start"]` */
  readonly words: readonly string[];
  readonly aliases?: readonly (readonly string[])[];
  readonly summary: string;
  readonly description?: string;
  /** `[PATH]` */
  readonly args: string;
  readonly maxPositionals: number;
  readonly flags: readonly VerbFlag[];
  readonly examples: readonly string[];
  /** Returns the exit code. */
  run(call: VerbCall): Promise<number>;
}
