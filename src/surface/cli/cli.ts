// The command line: finds the command, runs it, and turns every failure into something a person or a program can act on.
// It must never name a capability: commands come from descriptions and hand-written verbs.
// Next: grammar.ts, parse.ts, run_operation.ts, help.ts.

import type { CapabilityDescription } from "../../contract/description.ts";
import { type OperonError, toOperonError } from "../../error.ts";
import { suggest } from "../../policy/nearest_name.ts";
import type { CliContext, GlobalFlags, HandWrittenVerb } from "./context.ts";
import { escapeText } from "./escape.ts";
import { takeGlobals } from "./globals.ts";
import { commandOf, findOperation, visibleOperations } from "./grammar.ts";
import { capabilityHelp, commandHelp, groupHelp, overview, verbHelp } from "./help.ts";
import { isOutputClosed, runOperation } from "./run_operation.ts";
import { runVerb } from "./run_verb.ts";
import { usageError } from "./usage_error.ts";

/** Exit code of a process whose reader left (128 + SIGPIPE). */
const EXIT_OUTPUT_CLOSED = 141;

/** Runs one command line. Returns the exit code; never throws. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  let isJson = argv.slice(0, restOf(argv)).includes("--json");
  try {
    const { globals, words } = takeGlobals(argv);
    isJson = globals.json;
    return await dispatch(words, { context, globals });
  } catch (error) {
    if (isOutputClosed(error)) return EXIT_OUTPUT_CLOSED;
    return report(toOperonError(error), { context, isJson, original: error });
  }
}

interface Running {
  readonly context: CliContext;
  readonly globals: GlobalFlags;
}

async function dispatch(typed: readonly string[], running: Running): Promise<number> {
  const { context, globals } = running;
  const { stdout } = context.stdio;
  if (globals.version)
    return print(
      stdout.write(
        globals.json
          ? `${JSON.stringify({ version: context.version })}\n`
          : `operon ${context.version}\n`,
      ),
    );
  const isHelp = globals.help || typed[0] === "help";
  const words = typed[0] === "help" ? typed.slice(1) : typed;
  const verb = findVerb(context.verbs, words);
  if (verb)
    return isHelp
      ? print(stdout.write(verbHelp(verb.verb)))
      : runVerb(verb.verb, verb.rest, running);
  const capabilities = await context.describe();
  if (words.length === 0) return print(stdout.write(overview(capabilities, context.verbs)));
  const [group = "", name] = words;
  const capability = capabilities.find(({ id }) => id === group);
  if (!capability) return dispatchGroup(words, { capabilities, running });
  if (name === undefined || name.startsWith("-"))
    return print(stdout.write(capabilityHelp(capability, context.verbs)));
  const operation = findOperation(capability, name);
  if (!operation)
    throw unknownCommand(
      `${group} ${name}`,
      visibleOperations(capability).map((one) => `${group} ${one.name}`),
    );
  const command = commandOf(operation);
  if (isHelp) return print(stdout.write(commandHelp(command)));
  return runOperation(command, words.slice(2), running);
}

/** A word that starts hand-written verbs only: its list, or what was probably meant. */
async function dispatchGroup(
  words: readonly string[],
  { capabilities, running }: { capabilities: readonly CapabilityDescription[]; running: Running },
): Promise<number> {
  const { context } = running;
  const [group = "", name] = words;
  const inGroup = context.verbs.filter((verb) => verb.words[0] === group && verb.words.length > 1);
  if (inGroup.length > 0 && name === undefined)
    return print(context.stdio.stdout.write(groupHelp(group, inGroup)));
  if (inGroup.length > 0)
    throw unknownCommand(
      words.slice(0, 2).join(" "),
      inGroup.map((verb) => verb.words.join(" ")),
    );
  const known = [
    ...capabilities.map(({ id }) => id),
    ...context.verbs.map((verb) => verb.words[0] as string),
  ];
  throw unknownCommand(group, [...new Set(known)]);
}

function findVerb(
  verbs: readonly HandWrittenVerb[],
  words: readonly string[],
): { verb: HandWrittenVerb; rest: readonly string[] } | undefined {
  let best: { verb: HandWrittenVerb; rest: readonly string[]; length: number } | undefined;
  for (const verb of verbs) {
    for (const spelling of [verb.words, ...(verb.aliases ?? [])]) {
      const isMatch = spelling.every((word, index) => words[index] === word);
      if (isMatch && spelling.length > (best?.length ?? 0))
        best = { verb, rest: words.slice(spelling.length), length: spelling.length };
    }
  }
  return best;
}

function unknownCommand(words: string, known: readonly string[]): OperonError {
  return usageError(
    `There is no command "${words}"`,
    `${suggest(words, known)}. operon --help lists everything`,
  );
}

async function print(writing: Promise<void>): Promise<number> {
  await writing;
  return 0;
}

async function report(
  error: OperonError,
  { context, isJson, original }: { context: CliContext; isJson: boolean; original: unknown },
): Promise<number> {
  const { stderr } = context.stdio;
  const document = isInternal(error) ? withCause(error, original) : error.toDocument();
  const isColored = stderr.isTTY && !context.env.NO_COLOR;
  const text = isJson
    ? `${JSON.stringify({ error: { ...document, exit_code: exitCodeOf(error) } })}\n`
    : [
        `${isColored ? "\x1b[31merror:\x1b[0m" : "error:"} ${escapeText(document.message)}\n`,
        ...(document.hint
          ? [`${isColored ? "\x1b[2mhint:\x1b[0m" : "hint:"} ${escapeText(document.hint)}\n`]
          : []),
      ].join("");
  await stderr.write(text).catch(() => {});
  return exitCodeOf(error);
}

/** A command that a shell would answer with its own code (126, 127) keeps it. */
function exitCodeOf(error: OperonError): number {
  const code = error.data?.exit_code;
  return typeof code === "number" && Number.isInteger(code) && code > 0 && code < 256
    ? code
    : error.exitCode;
}

function isInternal(error: OperonError): boolean {
  return error.code === "node.internal";
}

/** A failure of this very process: its own user may know the cause. */
function withCause(error: OperonError, original: unknown) {
  if (original === error || !(original instanceof Error)) return error.toDocument();
  return {
    ...error.toDocument(),
    code: "cli.internal",
    message: `operon failed: ${original.message}`,
    hint: "This is a bug; please report it with the command that led to it",
  };
}

function restOf(argv: readonly string[]): number {
  const end = argv.indexOf("--");
  return end < 0 ? argv.length : end;
}
