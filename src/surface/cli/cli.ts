// The command line: finds the command, runs it, and ends in an exit code.
// It must never name a capability: commands come from descriptions and hand-written verbs.
// Next: command_line.ts reads argv, run_operation.ts makes calls, run_verb.ts runs the rest, help.ts explains.

import { type CommandLine, readCommandLine } from "./command_line.ts";
import type { CliContext, Running } from "./context.ts";
import { reportFailure } from "./failure.ts";
import { type CommandNode, childOf, grammar } from "./grammar.ts";
import { runOperation } from "./run_operation.ts";
import { runVerb } from "./run_verb.ts";
import type { GlobalFlags } from "./verb.ts";

export type { CliContext } from "./context.ts";

/** Runs one command line and resolves to the exit code; never rejects. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  let globals = guessGlobals(argv);
  try {
    if (isVersionOnly(argv)) return await printVersion({ context, globals });
    // A line that begins with a capability's name has nothing to do with the others.
    const described = await context.describe(argv[0]);
    const line = readCommandLine(grammar(described, context.verbs), argv);
    globals = line.globals;
    return await runCommandLine(opened(line, context), { context, globals });
  } catch (error) {
    return reportFailure(error, { context, globals });
  }
}

/** Runs what was read. @throws OperonError of the command */
export async function runCommandLine(line: CommandLine, running: Running): Promise<number> {
  const { globals } = running;
  const { command } = line.node;
  if (globals.version) return printVersion(running);
  if (line.isHelp || globals.help || !command) return printHelp(line.node, running);
  if (command.kind === "operation") return runOperation(command, line, running);
  return runVerb(command, line, running);
}

/** `operon` alone, at a terminal: the shell, where there is one. */
function opened(line: CommandLine, { verbs, stdio }: CliContext): CommandLine {
  const { node, isHelp, globals } = line;
  const isBare = node.path.length === 0 && !isHelp && !globals.help && !globals.json;
  if (!isBare || !stdio.stdin.isTty || !stdio.stdout.isTty) return line;
  const shell = verbs.find((verb) => verb.isShell);
  const found = shell && childOf(node, shell.path[0] ?? "");
  return found ? { ...line, node: found } : line;
}

async function printVersion({ context, globals }: Running): Promise<number> {
  const { version, stdio } = context;
  await stdio.stdout.write(
    globals.json ? `${JSON.stringify({ version })}\n` : `operon ${version}\n`,
  );
  return 0;
}

async function printHelp(node: CommandNode, { context, globals }: Running): Promise<number> {
  const { helpDocument, helpText } = await import("./help.ts");
  const text = globals.json ? `${JSON.stringify(helpDocument(node))}\n` : helpText(node);
  await context.stdio.stdout.write(text);
  return 0;
}

function isVersionOnly(argv: readonly string[]): boolean {
  return argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V");
}

/** How to report an error in a line that could not be read: it may still ask for JSON. */
function guessGlobals(argv: readonly string[]): GlobalFlags {
  const end = argv.indexOf("--");
  const words = new Set(end < 0 ? argv : argv.slice(0, end));
  return {
    json: words.has("--json"),
    quiet: false,
    verbose: words.has("--verbose") || words.has("-v"),
    yes: false,
    color: !words.has("--no-color"),
    help: false,
    version: false,
    config: undefined,
    home: undefined,
    identity: undefined,
    timeoutSecs: undefined,
  };
}
