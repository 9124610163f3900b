// A command that needs a terminal, asked for with `tty` or known to: in one on its node, with the keys of this one.
// It must never leave this terminal with its keys taken.
// Next: shell_part.ts finds the operation that gives a terminal.

import { runTerminal } from "../cli/terminal.ts";
import { noteTimeLimit } from "../cli/time_limit.ts";
import { usageError } from "../cli/usage_error.ts";
import { terminalMissing } from "./file_edit.ts";
import type { LineContext } from "./line_context.ts";
import { partOf } from "./shell_part.ts";

/** Resolves to the command's exit code. @throws OperonError `cli.terminal_missing`, `cli.shell_part_missing` */
export async function runInTerminal(text: string, context: LineContext): Promise<number> {
  const { shell, scope, running } = context;
  const { terminal } = shell.parts;
  if (!terminal) throw terminalMissing("tty");
  if (text === "") throw usageError("argument_missing", "tty needs a command", "Write tty COMMAND");
  const operation = partOf(shell.table, "terminal");
  const { rest, exit_code } = operation.cli;
  const input = {
    [rest?.shell ?? "command"]: text,
    cwd: scope.place.path,
    rows: terminal.rows,
    cols: terminal.columns,
  };
  await using caller = await running.context.connect({ ...running.globals, lasts: true });
  const plan = { node: scope.place.node, input };
  const output = await runTerminal(
    caller,
    { operation, plan, source: undefined, keysFrom: terminal },
    running,
  );
  // Left with ~.; it goes on without this terminal.
  if (output === undefined) return 0;
  await noteTimeLimit(output, { operation, plan }, running);
  const code = (output as Readonly<Record<string, unknown>>)[exit_code ?? ""] ?? 0;
  return typeof code === "number" ? code : 1;
}
