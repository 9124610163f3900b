// Turns what was typed into the call: which node, which input, what feeds and takes its streams.
// It must never send what it could not read exactly: a word that does not fit its field is an error here.
// Next: value.ts reads single words, target.ts reads node:/path; run_operation.ts makes the call.

import type { CliArgument } from "../../contract/operation.ts";
import type { CommandLine } from "./command_line.ts";
import type { WordPlace } from "./context.ts";
import { argumentsOf, type CommandArgument, type CommandFlag, flagsOf } from "./flags.ts";
import type { Command } from "./grammar.ts";
import { usageLine } from "./help.ts";
import { shown } from "./scan.ts";
import { parseTarget, type Target } from "./target.ts";
import { usageError } from "./usage_error.ts";
import { readArgument, readFlag } from "./value.ts";
import type { VerbInput } from "./verb.ts";

/** A call as the command line describes it. */
export interface CallPlan {
  readonly node: string;
  /** Node of the second path, when it is another one and the operation can be relayed. */
  readonly to: string | undefined;
  readonly input: Readonly<Record<string, unknown>>;
  /** Feeds the caller's stream. */
  readonly text: string | undefined;
  readonly file: string | undefined;
  /** Local file for the node's stream. */
  readonly save: string | undefined;
  /** Local configuration for the nodes in the output. */
  readonly nodes: string | undefined;
  /** Addresses of this machine, for commands that listen or connect here. */
  readonly listen: string | undefined;
  readonly isExposed: boolean;
  readonly localTarget: string | undefined;
}

/** Longest text of a local file that goes into an input field (bytes): an input must fit one signed request. */
const FILE_BYTES_MAX = 480 * 1024;

type OperationCommand = Extract<Command, { kind: "operation" }>;

/** @throws OperonError `cli.argument_missing`, `cli.argument_unexpected`, `cli.flag_missing`, `cli.value_invalid`, `cli.target_invalid`, `cli.file_unreadable` */
export async function planCall(
  command: OperationCommand,
  line: CommandLine,
  place?: WordPlace,
): Promise<CallPlan> {
  const { operation } = command;
  const draft: Draft = {
    node: undefined,
    to: undefined,
    input: {},
    beside: new Map(),
    isArgv: false,
    isExposed: false,
    targetOf: place ? (word) => place.target(word) : parseTarget,
  };
  for (const flag of flagsOf(command)) {
    const values = line.flags.get(flag.name);
    if (values) await takeFlag(draft, flag, values);
  }
  const { positionals, rest } = splitRest(command, line);
  await takeWords(draft, command, positionals);
  if (operation.cli.rest) takeRest(draft, command, rest);
  assertRequired(draft, command);
  return {
    node: draft.node ?? (operation.cli.node === "local" ? undefined : place?.node) ?? "local",
    to: draft.to,
    input: draft.input,
    text: draft.beside.get("text"),
    file: draft.beside.get("file"),
    save: draft.beside.get("save"),
    nodes: draft.beside.get("nodes"),
    listen: draft.beside.get("listen"),
    isExposed: draft.isExposed,
    localTarget: draft.beside.get("to"),
  };
}

/** Arguments and flags of a hand-written verb. @throws as {@link planCall} */
export function verbInput(command: Command, line: CommandLine): VerbInput {
  const args: Record<string, string | readonly string[]> = {};
  const declared = argumentsOf(command);
  assign(command, declared, line.words).forEach((taken, index) => {
    const { name, variadic } = declared[index]!;
    if (variadic) args[name] = taken;
    else if (taken[0] !== undefined) args[name] = taken[0];
  });
  const flags: Record<string, unknown> = {};
  for (const flag of flagsOf(command)) {
    const values = line.flags.get(flag.name);
    if (values) flags[flag.name] = readFlag(flag, values);
    else if (flag.default !== undefined) flags[flag.name] = flag.default;
    else if (flag.required) throw flagMissing(command, flag);
  }
  return { args, flags, rest: line.rest };
}

interface Draft {
  node: string | undefined;
  to: string | undefined;
  readonly input: Record<string, unknown>;
  /** Values of the flags that are no fields. */
  readonly beside: Map<string, string>;
  isArgv: boolean;
  isExposed: boolean;
  readonly targetOf: (word: string) => Target;
}

async function takeFlag(draft: Draft, flag: CommandFlag, values: readonly string[]): Promise<void> {
  const { target } = flag;
  if (target.kind === "field") {
    draft.input[target.field] = target.fileInto
      ? await readText(values[0]!)
      : readFlag(flag, values);
  } else if (target.kind === "node") draft.node = values[0]!;
  else if (target.kind === "argv") draft.isArgv = readFlag(flag, values) === true;
  else if (target.kind === "expose") draft.isExposed = readFlag(flag, values) === true;
  else draft.beside.set(target.kind, values[0]!);
}

/** Where an operation takes no command after `--`, words there are arguments that may start with a dash. */
function splitRest({ operation }: OperationCommand, { words, rest }: CommandLine) {
  return operation.cli.rest
    ? { positionals: words, rest }
    : { positionals: [...words, ...(rest ?? [])], rest: undefined };
}

async function takeWords(
  draft: Draft,
  command: OperationCommand,
  words: readonly string[],
): Promise<void> {
  const all = argumentsOf(command);
  const declared = draft.node === undefined ? all : all.filter(({ source }) => source !== "node");
  const taken = assign(command, declared, words);
  for (const [index, { source }] of declared.entries()) {
    for (const word of taken[index] ?? []) {
      if (source === "node") draft.node = word;
      else if (source !== "verb") await takeWord(draft, { command, argument: source, word });
    }
  }
}

interface Word {
  readonly command: OperationCommand;
  readonly argument: CliArgument;
  readonly word: string;
}

async function takeWord(draft: Draft, { command, argument, word }: Word): Promise<void> {
  const { input } = draft;
  const { operation } = command;
  if (argument.form === "node_path") {
    const target = draft.targetOf(word);
    const isRelayed = operation.cli.relay !== undefined && draft.node !== undefined;
    if (isRelayed && (target.node ?? draft.node) !== draft.node) draft.to = target.node;
    else draft.node = sameNode(draft.node, target.node);
    input[argument.field] = target.path;
    return;
  }
  if (argument.file_into !== undefined) {
    const text = await localText(argument, word);
    if (text !== undefined) {
      input[argument.file_into] = text;
      return;
    }
  }
  const value = readArgument(operation.input, argument, word);
  const before = input[argument.field];
  input[argument.field] = argument.variadic ? [...((before as unknown[]) ?? []), value] : value;
}

/** A path without a node is on the node of the one before it, else on the own one. */
function sameNode(before: string | undefined, node: string | undefined): string {
  if (before !== undefined && node !== undefined && before !== node) {
    throw usageError(
      "target_invalid",
      `Both paths must be on one node, not on ${before} and ${node}`,
      "Between nodes, pipe what one prints into the other",
    );
  }
  return node ?? before ?? "local";
}

/** The words each argument gets. Optional ones take what is left after the required ones, the first of them first. */
function assign(
  command: Command,
  declared: readonly CommandArgument[],
  words: readonly string[],
): readonly (readonly string[])[] {
  const required = declared.filter(({ optional }) => !optional).length;
  let spare = words.length - required;
  let position = 0;
  const taken = declared.map(({ optional, variadic }) => {
    if (variadic) {
      const count = Math.max(optional ? 0 : 1, spare + (optional ? 0 : 1));
      position += count;
      spare = 0;
      return words.slice(position - count, position);
    }
    if (optional && spare <= 0) return [];
    if (optional) spare--;
    return words.slice(position, ++position);
  });
  const missing = declared.find(({ optional }, index) => !optional && taken[index]!.length === 0);
  if (missing) {
    throw usageError(
      "argument_missing",
      `${missing.name.toUpperCase()} is missing`,
      usage(command),
    );
  }
  if (position < words.length) {
    throw usageError(
      "argument_unexpected",
      `${JSON.stringify(words[position])} is one word too many`,
      usage(command),
    );
  }
  return taken;
}

function takeRest(
  draft: Draft,
  command: OperationCommand,
  rest: readonly string[] | undefined,
): void {
  const shape = command.operation.cli.rest!;
  const [first, ...others] = rest ?? [];
  if (first === undefined) {
    if (shape.optional) return;
    throw usageError("argument_missing", "The words after -- are missing", usage(command));
  }
  if (others.length === 0 && !draft.isArgv) draft.input[shape.shell] = first;
  else draft.input[shape.argv] = [first, ...others];
}

function assertRequired(draft: Draft, command: OperationCommand): void {
  for (const flag of flagsOf(command)) {
    const { required, target } = flag;
    if (!required) continue;
    const isGiven =
      target.kind === "field"
        ? draft.input[target.field] !== undefined
        : draft.beside.has(target.kind);
    if (!isGiven) throw flagMissing(command, flag);
  }
}

function flagMissing(command: Command, flag: CommandFlag) {
  return usageError("flag_missing", `${shown(flag)} is missing`, usage(command));
}

function usage(command: Command): string {
  return `Usage: ${usageLine(command)}`;
}

/** The text of the local file a word names; `undefined` when the word is meant as it stands. */
async function localText(argument: CliArgument, word: string): Promise<string | undefined> {
  const { stat } = await import("node:fs/promises");
  const found = await stat(word).catch(() => undefined);
  if (found?.isFile() || found?.isFIFO()) return readText(word);
  // A word for a field that is a file's text is a file name, unless it has lines of its own.
  if (argument.file_into !== argument.field || word.includes("\n")) return undefined;
  throw usageError("file_unreadable", `There is no file ${JSON.stringify(word)}`, "Check its name");
}

async function readText(path: string): Promise<string> {
  const { readFile, stat } = await import("node:fs/promises");
  const found = await stat(path).catch(() => undefined);
  if (found && found.size > FILE_BYTES_MAX) throw tooLarge(path);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown reason";
    throw usageError(
      "file_unreadable",
      `The file ${JSON.stringify(path)} cannot be read (${code})`,
      "Check its name and its permissions",
    );
  }
  if (bytes.byteLength > FILE_BYTES_MAX) throw tooLarge(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usageError("file_unreadable", `The file ${JSON.stringify(path)} is not text (UTF-8)`);
  }
}

function tooLarge(path: string) {
  return usageError(
    "file_unreadable",
    `The file ${JSON.stringify(path)} has more than ${FILE_BYTES_MAX / 1024} KiB`,
    "An argument must fit one request",
  );
}
