// A hand-written verb from the command line: its words converted, and what it may work with.
// It must never hand a verb more than verb.ts says.
// Next: input.ts converts words; the entry lists the verbs.

import type { View } from "../../contract/operation.ts";
import type { CommandLine } from "./command_line.ts";
import type { Running } from "./context.ts";
import { escapeText, jsonLine } from "./escape.ts";
import type { Command } from "./grammar.ts";
import { verbInput } from "./input.ts";
import { renderOutput } from "./render.ts";
import type { VerbContext } from "./verb.ts";

/** Runs the verb and resolves to its exit code. */
export async function runVerb(
  command: Extract<Command, { kind: "verb" }>,
  line: CommandLine,
  running: Running,
): Promise<number> {
  return command.verb.run(verbInput(command, line), verbContext(running));
}

function verbContext({ context, globals }: Running): VerbContext {
  const { stdio, env, clock, version, signal } = context;
  const { stdout, stderr } = stdio;
  return {
    globals,
    stdio,
    env,
    clock,
    version,
    signal,
    describe: () => context.describe(),
    connect: (options) => context.connect(options ?? globals),
    takeInterrupts: (run) => context.takeInterrupts?.(run) ?? { [Symbol.dispose]: () => {} },
    beginAnew: (variables) => context.beginAnew?.(variables),
    async show(result: unknown, view?: View) {
      if (globals.json) return stdout.write(jsonLine(result));
      const columns = stdout.isTty ? stdout.columns : Number.POSITIVE_INFINITY;
      await stdout.write(renderOutput(result, view, { columns, hasHeading: !globals.quiet }));
    },
    async note(text: string) {
      if (!globals.quiet) await stderr.write(`${escapeText(text)}\n`);
    },
  };
}
