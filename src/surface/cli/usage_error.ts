// Errors of the command line itself: exit code 2, always with what to write instead.
// It must never be raised for anything a node said.
// Next: scan.ts, input.ts and target.ts raise them; failure.ts prints them.

import { OperonError } from "../../error.ts";

/** What is wrong with a command line. */
export type UsageProblem =
  | "command_unknown"
  | "command_missing"
  | "flag_unknown"
  | "flag_repeated"
  | "flag_missing"
  | "value_missing"
  | "value_invalid"
  | "argument_missing"
  | "argument_unexpected"
  | "target_invalid"
  | "content_missing"
  | "file_unreadable"
  | "file_unwritable"
  | "line_invalid";

/** An error of the command line; `hint` says what to write instead. */
export function usageError(problem: UsageProblem, message: string, hint?: string): OperonError {
  return new OperonError({
    code: `cli.${problem}`,
    kind: "invalid_argument",
    message,
    ...(hint === undefined ? {} : { hint }),
  });
}
