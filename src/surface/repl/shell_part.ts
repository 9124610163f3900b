// The operations the shell itself stands on, found by what they say they are to it.
// It must never name one.
// Next: contract/operation.ts lists the parts; stage.ts and own_command.ts use them.

import type { OperationDescription } from "../../contract/description.ts";
import type { ShellPart } from "../../contract/operation.ts";
import { OperonError } from "../../error.ts";
import { flagsOf } from "../cli/flags.ts";
import type { CommandTable } from "./command_table.ts";
import type { Place } from "./place.ts";

/** The operation that is some part of the shell. @throws OperonError `cli.shell_part_missing` */
export function partOf(table: CommandTable, part: ShellPart): OperationDescription {
  const found = table.part(part);
  if (found) return found;
  throw new OperonError({
    code: "cli.shell_part_missing",
    kind: "unimplemented",
    message: `No operation can be the shell's ${part.replace("_", " ")}`,
    hint: "This build of operon has none",
  });
}

/** The input of a part that is about a path. */
export function pathInput(operation: OperationDescription, { path }: Place) {
  const argument = operation.cli.args?.find(({ form }) => form === "node_path");
  return { [argument?.field ?? "path"]: path };
}

/** The flag that fills a field. */
export function flagOf(operation: OperationDescription, field: string): string | undefined {
  const flags = flagsOf({ kind: "operation", operation });
  return flags.find(({ target }) => target.kind === "field" && target.field === field)?.name;
}
