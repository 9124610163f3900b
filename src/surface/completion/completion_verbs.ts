// `operon completion SHELL` prints what a shell needs to complete commands; `operon complete` is what that then asks.
// It must never make, open or write anything, nor print an error: a person is in the middle of a line.
// Next: script/ holds what shells are told; expected_word.ts and offers.ts find the words.

import type { HandWrittenVerb, VerbContext } from "../cli/verb.ts";
import type { LineEnd } from "./expected_word.ts";
import type { OfferParts } from "./offers.ts";

/** What the entry hands in. */
export interface CompletionVerbParts {
  /** All verbs there are. */
  verbs(): readonly HandWrittenVerb[];
}

/** Loads the script of a shell. */
const SCRIPTS = {
  bash: () => import("./script/operon.bash", { with: { type: "text" } }),
  zsh: () => import("./script/operon.zsh", { with: { type: "text" } }),
  fish: () => import("./script/operon.fish", { with: { type: "text" } }),
  powershell: () => import("./script/operon.ps1", { with: { type: "text" } }),
} as const;

const SHELLS = Object.keys(SCRIPTS) as readonly (keyof typeof SCRIPTS)[];

/** The verbs. */
export function completionVerbs(parts: CompletionVerbParts): readonly HandWrittenVerb[] {
  return [
    {
      path: ["completion"],
      summary: "Print the script that lets a shell complete operon's commands",
      description:
        "Commands, flags, nodes, paths on nodes, ids of jobs and sessions, services. What nodes know is asked through " +
        "the daemon that runs, and left out where none does or it takes over a second. To have it in every new shell:\n" +
        `bash: eval "$(operon completion bash)" in ~/.bashrc\n` +
        `zsh: eval "$(operon completion zsh)" in ~/.zshrc, after compinit\n` +
        "fish: operon completion fish | source in ~/.config/fish/config.fish\n" +
        "powershell: operon completion powershell | Out-String | Invoke-Expression in $PROFILE",
      args: [{ name: "shell", summary: SHELLS.join(", "), choices: SHELLS }],
      examples: ["completion bash", "completion zsh", "completion fish", "completion powershell"],
      async run({ args }, context) {
        const shell = SHELLS.find((name) => name === args.shell);
        if (!shell) throw await unknownShell(String(args.shell));
        const { default: script } = await SCRIPTS[shell]();
        await context.stdio.stdout.write(script);
        return 0;
      },
    },
    {
      path: ["complete"],
      hidden: true,
      summary: "Answer a shell's script: words for the last of those after --",
      flags: [
        { name: "next", kind: "boolean", summary: "The word to complete is one after the last" },
      ],
      async run({ rest = [], flags }, context) {
        const words = flags.next === true ? [...rest, ""] : rest;
        await context.stdio.stdout.write(await answer(words, { context, parts }));
        return 0;
      },
    },
  ];
}

interface Asked {
  readonly context: VerbContext;
  readonly parts: CompletionVerbParts;
}

/** Words a line each, with a tab before a summary; at the end what else the shell may offer. */
async function answer(words: readonly string[], { context, parts }: Asked): Promise<string> {
  const [{ expectedWord }, { offersFor }, { commandTable }, { grammar }] = await Promise.all([
    import("./expected_word.ts"),
    import("./offers.ts"),
    import("../repl/command_table.ts"),
    import("../cli/grammar.ts"),
  ]);
  const [capabilities, verbs] = [await context.describe(), parts.verbs()];
  const root = grammar(capabilities, verbs);
  const typed = words.at(-1) ?? "";
  const { expected, lead, globals } = expectedWord(root, words.slice(0, -1), typed);
  const asking: OfferParts = {
    table: { ...commandTable(capabilities, verbs), root },
    place: undefined,
    connect: () => context.connect({ ...connectionOf(globals), onlyDaemon: true }),
    signal: context.signal,
  };
  const offers = await offersFor(expected, typed.slice(lead.length), asking);
  const lines = offers.map(({ word, summary }) =>
    summary === undefined ? `${lead}${word}` : `${lead}${word}\t${summary}`,
  );
  return [...lines, expected.kind === "local_file" ? ":0" : ":4", ""].join("\n");
}

function connectionOf(globals: LineEnd["globals"]) {
  return {
    home: globals.get("home"),
    config: globals.get("config"),
    identity: globals.get("identity"),
  };
}

async function unknownShell(name: string) {
  const [{ usageError }, { suggest }] = await Promise.all([
    import("../cli/usage_error.ts"),
    import("../../policy/nearest_name.ts"),
  ]);
  return usageError(
    "value_invalid",
    `There is no completion for ${JSON.stringify(name)}`,
    suggest(name, SHELLS),
  );
}
