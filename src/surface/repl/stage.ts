// What a command of a line does: an operation, a command of operon, a line for a node's shell, or the shell's own.
// It must never make a call the command line could not: all goes through the same grammar and the same views.
// Next: pipeline.ts runs several at once; own_command.ts is what the shell does itself.

import type { OperationDescription } from "../../contract/description.ts";
import { OperonError } from "../../error.ts";
import { runCommandLine } from "../cli/cli.ts";
import { type CommandLine, readCommandLine } from "../cli/command_line.ts";
import type { Running } from "../cli/context.ts";
import { kebab } from "../cli/grammar.ts";
import type { Stdio } from "../cli/stdio.ts";
import { usageError } from "../cli/usage_error.ts";
import type { GlobalFlags } from "../cli/verb.ts";
import { type CommandTable, type Found, findCommand, nodeAt } from "./command_table.ts";
import type { LineContext } from "./line_context.ts";
import { needsTerminal } from "./needs_terminal.ts";
import { assertAlone, runOwn } from "./own_command.ts";
import type { RunStage } from "./pipeline.ts";
import { type Place, placeAt, placeText } from "./place.ts";
import type { Stage } from "./shell_line.ts";
import { flagOf, partOf } from "./shell_part.ts";
import { runInTerminal } from "./terminal_line.ts";

/** The commands of a pipe, redirections as commands of their own. @throws OperonError `cli.*` */
export function stagesOf(stages: readonly Stage[], context: LineContext): readonly RunStage[] {
  const runs: RunStage[] = [];
  for (const [index, stage] of stages.entries()) {
    if (stage.input && index > 0) {
      throw usageError("line_invalid", "< reads into the first command only", "Write it there");
    }
    if (stage.output && index < stages.length - 1) {
      throw usageError("line_invalid", "> is for the last command only", "Write it at the end");
    }
  }
  const first = stages[0]!;
  const last = stages.at(-1)!;
  // One progress at a time: that of the last command, which ends when all have.
  const beside = withoutProgress(context);
  if (first.input) runs.push(fileStage("file_source", first.input.text, { context: beside }));
  const isAlone = stages.length === 1 && !first.input && !last.output;
  const isCommand = ({ words, node }: Stage) => words.length > 0 || node !== undefined;
  const commands = merged(stages.filter(isCommand), context);
  for (const [index, stage] of commands.entries()) {
    const isLast = index === commands.length - 1 && !last.output;
    runs.push(commandStage(stage, { context: isLast ? context : beside, isAlone }));
  }
  if (last.output) {
    if (runs.length === 0) {
      throw usageError("line_invalid", "There is nothing before >", "Write a command there");
    }
    const { target, isAppend } = last.output;
    runs.push(fileStage("file_sink", target.text, { context, isAppend }));
  }
  return runs;
}

/** For commands that share the terminal. */
export function withoutProgress(context: LineContext): LineContext {
  const { running } = context;
  const inner = { ...running.context, hasProgress: false };
  return { ...context, running: { ...running, context: inner } };
}

/** A line for the node's own shell, in a folder; without one in the folder the node chooses. */
export function foreignStage(
  text: string,
  place: Pick<Place, "node"> & Partial<Place>,
  context: LineContext,
): RunStage {
  const operation = partOf(context.shell.table, "command");
  const flags = new Map<string, readonly string[]>();
  const flag = flagOf(operation, "cwd");
  if (place.path !== undefined && flag !== undefined) flags.set(flag, [place.path]);
  return (stdio) => {
    if (needsTerminal(text) && isTerminals(stdio, context)) {
      const { scope } = context;
      const there = { node: place.node, path: place.path ?? "/" };
      return runInTerminal(text, { ...context, scope: { ...scope, place: there } });
    }
    return run(operation, { words: [place.node], flags, rest: [text] }, { context, stdio });
  };
}

/** Whether a command has the terminal for itself: it is no part of a pipe, and no other node prints beside it. */
function isTerminals({ stdin, stdout }: Stdio, { shell, running }: LineContext): boolean {
  const { terminal, running: own } = shell.parts;
  const { stdio } = own.context;
  const isOwn = stdin === stdio.stdin && stdout === stdio.stdout;
  return terminal !== undefined && isOwn && !running.globals.json;
}

/** Neighbours that are for one node's own shell go there as one pipe. */
function merged(stages: readonly Stage[], { shell, scope }: LineContext): readonly Stage[] {
  const joined: Stage[] = [];
  const isForeign = (stage: Stage) => findCommand(shell.table, stage).kind === "foreign";
  for (const stage of stages) {
    const before = joined.at(-1);
    const isTogether =
      before !== undefined &&
      isForeign(before) &&
      isForeign(stage) &&
      (before.node ?? scope.place.node) === (stage.node ?? scope.place.node);
    if (!isTogether) joined.push(stage);
    else joined[joined.length - 1] = { ...before, text: `${before.text} | ${stage.text}` };
  }
  return joined;
}

interface StageOptions {
  readonly context: LineContext;
  /** Whether it is no part of a pipe. */
  readonly isAlone: boolean;
}

function commandStage(stage: Stage, { context, isAlone }: StageOptions): RunStage {
  const { shell, scope } = context;
  const found = findCommand(shell.table, stage);
  const isThere = stage.node !== undefined && stage.node !== scope.place.node;
  if (found.kind === "foreign") {
    const place = isThere ? { node: stage.node! } : scope.place;
    return foreignStage(stage.text, place, context);
  }
  if (stage.foreign !== undefined) {
    throw usageError(
      "line_invalid",
      `${stage.foreign} works only in commands of a node's own shell`,
      "A command of this shell takes | < > and >>",
    );
  }
  const there: LineContext = isThere
    ? { ...context, scope: { ...scope, place: { node: stage.node!, path: "/" } } }
    : context;
  if (found.kind === "own") {
    if (!isAlone) assertAlone(found);
    if (stage.words.length === 0) {
      return async () => {
        scope.place = { node: stage.node!, path: "/" };
        return 0;
      };
    }
    const text = stage.text.replace(/^\S+\s*/, "");
    return (stdio) => runOwn(found, { context: there, stdio, text });
  }
  if (isNodesOwn(found, shell.table)) return foreignStage(stage.text, there.scope.place, context);
  return (stdio) => runFound(found, { context: there, stdio });
}

interface FileOptions {
  readonly context: LineContext;
  readonly isAppend?: boolean;
}

function fileStage(
  part: "file_source" | "file_sink",
  word: string,
  { context, isAppend = false }: FileOptions,
): RunStage {
  const operation = partOf(context.shell.table, part);
  const target = placeText(placeAt(context.scope.place, word));
  const flags = new Map<string, readonly string[]>();
  const flag = flagOf(operation, "append");
  if (isAppend && flag === undefined) {
    throw usageError("line_invalid", ">> is not possible here", "Write a new file with >");
  }
  if (isAppend && flag !== undefined) flags.set(flag, ["true"]);
  return (stdio) => run(operation, { words: [target], flags }, { context, stdio });
}

interface RunOptions {
  readonly context: LineContext;
  readonly stdio: Stdio;
}

type FoundCommand = Extract<Found, { kind: "command" }>;

/** A command as it was typed, its paths from the current folder. */
async function runFound(found: FoundCommand, options: RunOptions): Promise<number> {
  const line = readOrHint(found, options.context.shell.table);
  const { command } = line.node;
  const isFolder = command?.kind === "operation" && command.operation.cli.shell?.part === "folder";
  const isHere = isFolder && line.words.length === 0 && line.rest === undefined;
  return runLine(isHere ? { ...line, words: ["."] } : line, options);
}

/**
 * Whether the node's own command of that name is meant: `ls -la`, which only looks, and at nothing but what is the same
 * to both. An absolute path is not: the node's own command knows no mounts.
 */
function isNodesOwn({ argv, word }: FoundCommand, { root, words }: CommandTable): boolean {
  const given = argv.slice(2);
  if (words.get(word)?.effect !== "read" || given.some((text) => /^\/|:/.test(text))) return false;
  try {
    readCommandLine(root, argv);
    return false;
  } catch (error) {
    return error instanceof OperonError && error.code === "cli.flag_unknown";
  }
}

/** What a short word does not know, the node's own command of that name may. */
function readOrHint({ argv, word }: FoundCommand, { root }: CommandTable): CommandLine {
  try {
    return readCommandLine(root, argv);
  } catch (error) {
    if (!(error instanceof OperonError) || error.code !== "cli.flag_unknown") throw error;
    throw usageError(
      "flag_unknown",
      error.message,
      `! ${word} … is the node's own; ? ${word} explains`,
    );
  }
}

type Given = Pick<CommandLine, "words" | "flags"> & { readonly rest?: readonly string[] };

function run(operation: OperationDescription, given: Given, options: RunOptions): Promise<number> {
  const { shell, running } = options.context;
  const path = [kebab(operation.capability), kebab(operation.name)];
  const node = nodeAt(shell.table.root, path)!;
  const { globals } = running;
  return runLine({ node, isHelp: false, rest: undefined, globals, ...given }, options);
}

function runLine(line: CommandLine, { context, stdio }: RunOptions): Promise<number> {
  const { running, scope } = context;
  const globals = mergedFlags(running.globals, line.globals);
  const inner: Running = {
    globals,
    context: {
      ...running.context,
      stdio,
      place: { node: scope.place.node, target: (word) => placeAt(scope.place, word) },
    },
  };
  return runCommandLine({ ...line, globals }, inner);
}

/** What a line says itself comes before what the shell was started with. */
function mergedFlags(base: GlobalFlags, own: GlobalFlags): GlobalFlags {
  return {
    ...own,
    json: own.json || base.json,
    quiet: own.quiet || base.quiet,
    verbose: own.verbose || base.verbose,
    yes: own.yes || base.yes,
    color: own.color && base.color,
    config: own.config ?? base.config,
    home: own.home ?? base.home,
    identity: own.identity ?? base.identity,
    timeoutSecs: own.timeoutSecs ?? base.timeoutSecs,
  };
}
