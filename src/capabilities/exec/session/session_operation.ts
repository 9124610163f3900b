// `exec.session` as data: a terminal on a node, with a command or the user's shell in it.
// It must never do I/O.
// Next: open_session.ts serves it; operations.ts has what is done with a session afterwards.

import { z } from "zod";
import { bytes, operation } from "../../../contract/operation.ts";
import { accessesOfCommand, RunInput, runErrors, runFlags } from "../run_schema.ts";
import { attachedOperations, sessionErrors, sessionFields, sessionOutput } from "./operations.ts";

/** Opens a terminal. */
export const sessionOperation = operation({
  summary: "Open a terminal, with your shell or a command in it",
  description:
    "The session goes on when you lose the connection or leave with ~. at the start of a line; " +
    "`attach` takes it up again, --ephemeral ends it then. Ctrl-C and all other keys go to the " +
    "terminal. The exit code is the command's; 128 + n after signal n.",
  effect: "execute",
  lifetime: "unbounded",
  input: z
    .strictObject({ ...RunInput.shape, ...sessionFields })
    .refine(
      ({ argv, command }) => argv === undefined || command === undefined,
      "Give either argv or command",
    ),
  sends: bytes(["output", "control"]),
  receives: bytes(),
  output: sessionOutput,
  errors: {
    ...runErrors,
    ...sessionErrors,
    session_lost: attachedOperations.attach.errors.session_lost,
  },
  resource: accessesOfCommand,
  cli: {
    node: "argument",
    rest: { argv: "argv", shell: "command", optional: true },
    flags: runFlags,
    receives: { stdin: "piped" },
    exit_code: "exit_code",
    time_limit: { ended: "timed_out", secs: "timeout_secs" },
    terminal: {
      rows: "rows",
      cols: "cols",
      term: "term",
      resize: "exec.resize",
      again: "exec.attach",
      ends_with_caller: "ephemeral",
    },
    shell: { part: "terminal" },
    view: { kind: "bytes" },
  },
  examples: [
    {
      name: "runs a command in a terminal",
      input: { command: "test -t 0 && stty size", rows: 30, cols: 100 },
      command: "exec session local --rows 30 --cols 100 -- 'test -t 0 && stty size'",
    },
    {
      name: "reports a command that does not exist",
      input: { argv: ["no-such-command"] },
      error: "not_found",
      command: "exec session local --argv -- no-such-command",
    },
  ],
});

/** Everything about terminals. */
export const sessionOperations = { session: sessionOperation, ...attachedOperations };
