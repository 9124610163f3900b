// What the parts of the shell share: where it is, what it may use, and the line under way.
// It must never hold what only one of them needs.
// Next: shell.ts makes these, stage.ts and own_command.ts work with them.

import type { Caller } from "../../contract/caller.ts";
import type { CapabilityDescription } from "../../contract/description.ts";
import type { Running } from "../cli/context.ts";
import type { HandWrittenVerb } from "../cli/verb.ts";
import type { CommandTable } from "./command_table.ts";
import type { Place } from "./place.ts";

/** The typed SDK over a caller; what `= EXPRESSION` works with. */
export type Sdk = (
  caller: Caller,
  capabilities: readonly CapabilityDescription[],
) => { node(name: string): unknown };

/** What a shell is made of. */
export interface ShellParts {
  /** Its streams, its way to call nodes, its clock; the flags its lines start with. */
  readonly running: Running;
  readonly capabilities: readonly CapabilityDescription[];
  readonly verbs: readonly HandWrittenVerb[];
  readonly sdk: Sdk;
  /** The terminal itself; `undefined` where there is none. */
  readonly terminal: LocalTerminal | undefined;
  /** Lines of before, oldest first. */
  readonly history: () => readonly string[];
}

/** A terminal that a line may have for itself. */
export interface LocalTerminal {
  readonly columns: number;
  readonly rows: number;
  /** Runs a program of this machine on it; resolves to its exit code. */
  runProgram(argv: readonly string[]): Promise<number>;
  /** Every key as bytes, until it is disposed of; nothing is a signal meanwhile. */
  takeKeys(): AsyncIterable<Uint8Array> & Disposable;
}

/** Where a line runs; `cd` changes it. */
export interface Scope {
  place: Place;
  /** Names that lines behind `=` have given to values. */
  readonly values: Record<string, unknown>;
}

/** What the commands of a line have around them. */
export interface LineContext {
  readonly shell: {
    readonly parts: ShellParts;
    readonly table: CommandTable;
    /** Set by `exit`: the shell is to end with this code. */
    exitCode: number | undefined;
  };
  readonly scope: Scope;
  /** Streams of the terminal, and the signal that cancels this line. */
  readonly running: Running;
}
