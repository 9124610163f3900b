// What a person is told of a command that its time limit ended: without it, the exit code would be all there is to see.
// It must never be in the way of a program: with JSON the output says it.
// Next: contract/operation.ts says which outputs tell (`time_limit`).

import type { OperationDescription } from "../../contract/description.ts";
import type { Running } from "./context.ts";
import { kebab } from "./grammar.ts";
import type { CallPlan } from "./input.ts";

/** Says on standard error that a time limit ended what was run, if the output says so. */
export async function noteTimeLimit(
  output: unknown,
  {
    operation,
    plan,
  }: { readonly operation: OperationDescription; readonly plan: Pick<CallPlan, "input"> },
  { context, globals }: Running,
): Promise<void> {
  const { time_limit, terminal } = operation.cli;
  if (!time_limit || globals.json || globals.quiet) return;
  const { ended, secs } = time_limit;
  if ((output as Readonly<Record<string, unknown>> | null | undefined)?.[ended] !== true) return;
  const { stdout, stderr } = context.stdio;
  // What was shown on a terminal ended anywhere in a line.
  const start = terminal && stdout.isTty ? "\n" : "";
  await stderr.write(`${start}note: ${whatEnded(plan.input, secs)}\n`).catch(() => {});
}

function whatEnded(input: CallPlan["input"], secs: string | undefined): string {
  if (secs === undefined) return "its time limit ended it";
  const given = input[secs];
  if (typeof given === "number") return `the time limit of ${given} s ended it`;
  return `the node's time limit ended it; --${kebab(secs)} sets another`;
}
