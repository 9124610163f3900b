// The commands the shell has of its own: moving about, help, leaving, and what needs this terminal.
// It must never do what an operation does, except by calling it.
// Next: command_table.ts lists them; file_edit.ts and terminal_line.ts are the longer ones.

import { OperonError } from "../../error.ts";
import { escapeText } from "../cli/escape.ts";
import type { Stdio } from "../cli/stdio.ts";
import { usageError } from "../cli/usage_error.ts";
import { type Found, OWN_COMMANDS, type OwnCommand } from "./command_table.ts";
import { editFile } from "./file_edit.ts";
import { folderEntries } from "./known_nodes.ts";
import type { LineContext } from "./line_context.ts";
import { placeAt, placeText } from "./place.ts";
import { shellHelp } from "./shell_help.ts";
import { runInTerminal } from "./terminal_line.ts";

/** What a command of the shell's own works with. */
export interface OwnOptions {
  readonly context: LineContext;
  readonly stdio: Stdio;
  /** The words after it, as they were typed. */
  readonly text: string;
}

type OwnFound = Extract<Found, { kind: "own" }>;

/** Runs it and resolves to its exit code. @throws OperonError */
export async function runOwn({ name, words }: OwnFound, options: OwnOptions): Promise<number> {
  const { context, stdio, text } = options;
  const { shell, scope } = context;
  if (words[0] === "--help") {
    await stdio.stdout.write(shellHelp(shell.table, name));
    return 0;
  }
  switch (name) {
    case "pwd":
      atMost(name, words, 0);
      await stdio.stdout.write(`${escapeText(placeText(scope.place))}\n`);
      return 0;
    case "help":
      await stdio.stdout.write(shellHelp(shell.table, words.join(" ")));
      return 0;
    case "history":
      atMost(name, words, 0);
      for (const line of shell.parts.history()) await stdio.stdout.write(`${escapeText(line)}\n`);
      return 0;
    case "cd":
      atMost(name, words, 1);
      return await changeFolder(words[0], context);
    case "edit":
      atMost(name, words, 1);
      return await editFile(only(name, words), context);
    case "tty":
      return await runInTerminal(text, context);
    case "exit":
      atMost(name, words, 1);
      shell.exitCode = exitCode(words[0]);
      return shell.exitCode;
  }
}

/** Those that change the shell or take the terminal stand alone. @throws OperonError `cli.line_invalid` */
export function assertAlone({ name }: OwnFound): void {
  if (name === "pwd" || name === "help" || name === "history") return;
  throw usageError("line_invalid", `${name} cannot be part of a pipe`, "Give it a line alone");
}

/** Looks first: a folder that is not there is no place to be. */
async function changeFolder(word: string | undefined, context: LineContext): Promise<number> {
  const { shell, scope, running } = context;
  const { signal, stdio } = running.context;
  const place = word === undefined ? { ...scope.place, path: "/" } : placeAt(scope.place, word);
  try {
    await using caller = await running.context.connect(running.globals);
    await folderEntries(caller, shell.table, { place, limit: 1, signal });
  } catch (error) {
    // Who may not list a folder may still be allowed to run something in it.
    const isRefused = error instanceof OperonError && error.kind === "permission_denied";
    if (!isRefused) throw error;
    const text = `${placeText(place)} cannot be listed: ${error.message}`;
    await stdio.stderr.write(`note: ${escapeText(text)}\n`);
  }
  scope.place = place;
  return 0;
}

function exitCode(word: string | undefined): number {
  if (word === undefined) return 0;
  const code = Number(word);
  if (/^\d{1,3}$/.test(word) && code <= 255) return code;
  throw usageError(
    "value_invalid",
    `${JSON.stringify(word)} is no exit code`,
    "Write exit 0 … 255",
  );
}

function only(name: OwnCommand, words: readonly string[]): string {
  const [word] = words;
  if (word !== undefined) return word;
  throw usageError("argument_missing", `${name} needs a path`, OWN_COMMANDS[name]);
}

function atMost(name: OwnCommand, words: readonly string[], most: number): void {
  if (words.length <= most) return;
  throw usageError(
    "argument_unexpected",
    `${JSON.stringify(words[most])} is one word too many`,
    `${name}: ${OWN_COMMANDS[name]}`,
  );
}
