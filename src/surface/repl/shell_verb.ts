// `operon shell`, which `operon` alone is on a terminal: lines from a person, a file or one argument.
// It must never cost other commands anything: what it needs is loaded when it is opened.
// Next: shell_session.ts reads lines, shell.ts runs them.

import type { HandWrittenVerb, VerbContext } from "../cli/verb.ts";
import type { Sdk } from "./line_context.ts";

/** What the entry hands in. */
export interface ShellVerbParts {
  /** All verbs; the shell leaves itself out. */
  verbs(): readonly HandWrittenVerb[];
  sdk(): Promise<Sdk>;
  /** Where lines are kept. */
  historyPath(context: VerbContext): string;
}

/** The verb. */
export function shellVerb(parts: ShellVerbParts): HandWrittenVerb {
  return {
    path: ["shell"],
    isShell: true,
    summary: "Open a shell over all nodes; `operon` alone does so on a terminal",
    description:
      "Any command runs on the node that the prompt shows; `gpu: COMMAND` and `on a,b: COMMAND` run it elsewhere. Pipes and " +
      "redirections go from node to node, paths are NODE:/PATH or start from the prompt's folder, every operation goes by its " +
      "name, and = evaluates JavaScript with the typed SDK. `?` inside explains. Without a terminal it runs the lines of its " +
      "input and ends with the code of the last one.",
    args: [
      {
        name: "node:/path",
        summary: "Where to start; default: local:/",
        optional: true,
        names: "path",
      },
    ],
    flags: [
      {
        name: "command",
        short: "c",
        kind: "string",
        value: "LINE",
        summary: "Run this line and end with its exit code",
      },
    ],
    examples: [
      "shell",
      "shell gpu:/data",
      "shell -c 'cat a:/log | b: sort | head > local:/top.txt'",
    ],
    async run(input, context) {
      const { runShell } = await import("./shell_session.ts");
      const { command } = input.flags;
      const place = input.args["node:/path"];
      return runShell(context, {
        verbs: parts.verbs(),
        sdk: await parts.sdk(),
        historyPath: parts.historyPath(context),
        place: typeof place === "string" ? place : undefined,
        command: typeof command === "string" ? command : undefined,
      });
    },
  };
}
