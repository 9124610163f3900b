// Which lines of several commands go to the node's own shell as they stand: loops, conditions, variables.
// It must never take a line apart in which nothing is ours, nor keep from this shell a line that has something.
// Next: shell.ts asks; shell_line.ts took the line apart.

import { usageError } from "../cli/usage_error.ts";
import type { Step } from "./shell_line.ts";

/** First words that make the commands after them depend on each other in the node's own shell. */
const STATEFUL = new Set(
  "for while until if case select function { [[ export set unset source . alias trap umask".split(
    " ",
  ),
);
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;

/**
 * Whether a line goes to the node's own shell whole. `isOwn` says whether a step has a command of this shell.
 * @throws OperonError `cli.line_invalid` for `&` behind a command of this shell
 */
export function isForNodesShell(steps: readonly Step[], isOwn: (step: Step) => boolean): boolean {
  const isLone = steps.length === 1 && !steps[0]!.isBackground;
  if (isLone) return false;
  const first = steps[0]!.stages[0]!.words[0];
  if (first?.isPlain && (STATEFUL.has(first.text) || ASSIGNMENT.test(first.text))) return true;
  const isOurs = steps.some((step) => isOwn(step) || step.stages.some(isShellsWork));
  if (!isOurs) return true;
  if (steps.some(({ isBackground }) => isBackground)) {
    throw usageError(
      "line_invalid",
      "& works only in lines that are the node's own shell's alone",
      "Leave & out, or begin the line with !",
    );
  }
  return false;
}

/** Nodes and redirections are this shell's work, whatever the command is. */
function isShellsWork({ node, input, output }: Step["stages"][number]): boolean {
  return node !== undefined || input !== undefined || output !== undefined;
}
