// The shell: where it is, and what it does with a line.
// It must never decide what is allowed, nor end because a call did: every line ends in an exit code.
// Next: shell_line.ts reads lines, stage.ts makes commands of them, shell_verb.ts reads the terminal.

import { OperonError } from "../../error.ts";
import type { CliContext } from "../cli/context.ts";
import { escapeText } from "../cli/escape.ts";
import { reportFailure } from "../cli/failure.ts";
import { type CommandTable, commandTable, findCommand } from "./command_table.ts";
import { evaluate } from "./evaluate.ts";
import { isForNodesShell } from "./foreign_line.ts";
import { nodeNames } from "./known_nodes.ts";
import type { LineContext, Scope, ShellParts } from "./line_context.ts";
import { runPipeline } from "./pipeline.ts";
import { PrefixOutput } from "./prefix_output.ts";
import { shellHelp } from "./shell_help.ts";
import { parseLine, type ShellLine, type Step } from "./shell_line.ts";
import { foreignStage, stagesOf, withoutProgress } from "./stage.ts";

/** Nodes that run a line of `on a,b:` at once; more wait their turn. */
const NODES_AT_ONCE = 16;
const INTERRUPTED = 130;

/** A shell. Not to be used by two lines at once, except for those it starts itself. */
export class Shell {
  readonly parts: ShellParts;
  readonly table: CommandTable;
  readonly scope: Scope = { place: { node: "local", path: "/" }, values: {} };
  /** Set by `exit`: the shell is to end with this code. */
  exitCode: number | undefined;

  constructor(parts: ShellParts) {
    this.parts = parts;
    this.table = commandTable(parts.capabilities, parts.verbs);
  }

  /** Runs a line and resolves to its exit code; never rejects. Aborting the signal cancels it. */
  async run(text: string, signal: AbortSignal): Promise<number> {
    const { running } = this.parts;
    const context: CliContext = { ...running.context, signal };
    const line: LineContext = {
      shell: this,
      scope: this.scope,
      running: { ...running, context },
    };
    try {
      return await this.#run(parseLine(text), line);
    } catch (error) {
      return reportLine(error, line);
    }
  }

  async #run(line: ShellLine, context: LineContext): Promise<number> {
    const { stdio } = context.running.context;
    switch (line.kind) {
      case "empty":
        return 0;
      case "help":
        await stdio.stdout.write(shellHelp(this.table, line.topic));
        return 0;
      case "script":
        return evaluate(line.code, context);
      case "raw":
        return this.#pipe([foreignStage(line.text, context.scope.place, context)], context);
      case "steps":
        return line.nodes ? this.#runOn(line.nodes, line, context) : this.#steps(line, context);
    }
  }

  async #steps(
    { steps, text }: Extract<ShellLine, { kind: "steps" }>,
    context: LineContext,
  ): Promise<number> {
    const isOwn = (step: Step) =>
      step.stages.some((stage) => findCommand(this.table, stage).kind !== "foreign");
    if (isForNodesShell(steps, isOwn)) {
      return this.#pipe([foreignStage(text, context.scope.place, context)], context);
    }
    let code = 0;
    for (const { joiner, stages } of steps) {
      if (joiner === "&&" && code !== 0) continue;
      if (joiner === "||" && code === 0) continue;
      if (context.running.context.signal.aborted) return INTERRUPTED;
      code = await this.#pipe(stagesOf(stages, context), context);
      if (this.exitCode !== undefined) break;
    }
    return code;
  }

  #pipe(stages: Parameters<typeof runPipeline>[0], context: LineContext): Promise<number> {
    const { stdio } = context.running.context;
    return runPipeline(stages, { stdio, report: (error) => reportLine(error, context) });
  }

  /** Each node at its own place; the code is that of the first one that failed. */
  async #runOn(
    nodes: readonly string[],
    line: Extract<ShellLine, { kind: "steps" }>,
    context: LineContext,
  ): Promise<number> {
    const names = nodes.includes("*") ? await this.#knownNodes(context) : [...new Set(nodes)];
    const width = Math.max(...names.map((name) => escapeText(name).length));
    const codes: number[] = [];
    let next = 0;
    const work = async () => {
      while (next < names.length) {
        const index = next++;
        codes[index] = await this.#runAt(names[index]!, line, { context, width });
      }
    };
    await Promise.all(Array.from({ length: NODES_AT_ONCE }, work));
    return codes.find((code) => code !== 0) ?? 0;
  }

  async #knownNodes({ running }: LineContext): Promise<readonly string[]> {
    const { signal } = running.context;
    await using caller = await running.context.connect(running.globals);
    const names = await nodeNames(caller, this.table, { signal });
    return names.length > 0 ? names : ["local"];
  }

  async #runAt(
    node: string,
    line: Extract<ShellLine, { kind: "steps" }>,
    { context, width }: { readonly context: LineContext; readonly width: number },
  ): Promise<number> {
    const { running, scope } = withoutProgress(context);
    const { stdio } = running.context;
    const prefix = `${escapeText(node)}:`.padEnd(width + 2);
    const stdout = new PrefixOutput(stdio.stdout, prefix);
    const stderr = new PrefixOutput(stdio.stderr, prefix);
    const isHere = node === scope.place.node;
    const there: LineContext = {
      ...context,
      scope: { ...scope, place: isHere ? scope.place : { node, path: "/" } },
      running: {
        ...running,
        context: { ...running.context, stdio: { stdin: stdio.stdin, stdout, stderr } },
      },
    };
    try {
      return await this.#steps(line, there).catch((error) => reportLine(error, there));
    } finally {
      await stdout.end().catch(() => {});
      await stderr.end().catch(() => {});
    }
  }
}

/** Tells of a failure and resolves to its exit code; nothing is told of what was cancelled by hand. */
async function reportLine(error: unknown, { running }: LineContext): Promise<number> {
  const isCancelled = error instanceof OperonError && error.kind === "cancelled";
  if (isCancelled && running.context.signal.aborted) return INTERRUPTED;
  return reportFailure(error, running);
}
