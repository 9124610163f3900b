// Help, made from the same definitions as the commands: what there is, how it is written, examples that are tested.
// It must never say anything the grammar does not.
// Next: grammar.ts and context.ts hold what is shown.

import type { CapabilityDescription } from "../../contract/description.ts";
import type { HandWrittenVerb } from "./context.ts";
import { type Command, type Flag, visibleOperations } from "./grammar.ts";
import { usageLine } from "./parse.ts";

const GLOBAL_FLAGS = [
  ["--json", "One JSON document, or a line of JSON for each value of a stream"],
  ["--quiet", "Print nothing but errors and data"],
  ["--yes", "Do not ask before something is destroyed"],
  ["--config FILE", "Configuration file; default: config.yaml in the home"],
  ["--home FOLDER", "Home folder; default: OPERON_HOME, else ~/.operon"],
  ["--identity FILE", "Sign with this key instead of the home's"],
  ["--no-color", "No colours; NO_COLOR does the same"],
  ["--help, --version", "Show help; show the version"],
] as const;

/** `operon --help` */
export function overview(
  capabilities: readonly CapabilityDescription[],
  verbs: readonly HandWrittenVerb[],
): string {
  return [
    "operon: machines that can reach each other, as nodes that agents and people can use safely",
    "",
    "Usage: operon COMMAND [WORDS] [FLAGS]",
    "",
    "Set up and run:",
    ...table(verbs.map((verb) => [verb.words.join(" "), verb.summary])),
    "",
    "Operations, on any node (operon COMMAND lists them):",
    ...table(capabilities.map(({ id, summary }) => [id, summary])),
    "",
    "Everywhere:",
    ...table(GLOBAL_FLAGS),
    "",
    "Examples:",
    "  operon onboard",
    "  operon daemon start",
    ...capabilities.flatMap((capability) => firstExample(capability)).slice(0, 5),
    "",
  ].join("\n");
}

/** `operon fs` */
export function capabilityHelp(
  capability: CapabilityDescription,
  verbs: readonly HandWrittenVerb[],
): string {
  const operations = visibleOperations(capability).map(
    ({ name, summary, cli }) => [[name, ...(cli.aliases ?? [])].join(", "), summary] as const,
  );
  const own = verbs
    .filter((verb) => verb.words[0] === capability.id)
    .map((verb) => [verb.words.slice(1).join(" "), verb.summary] as const);
  return [
    `operon ${capability.id}: ${capability.summary}`,
    "",
    ...table([...operations, ...own]),
    "",
    `operon ${capability.id} OPERATION --help shows how each is written`,
    "",
  ].join("\n");
}

/** `operon fs read --help` */
export function commandHelp(command: Command): string {
  const { operation, flags } = command;
  const examples = operation.examples.filter(({ command: line }) => line !== undefined);
  return [
    `${operation.summary}.`,
    ...(operation.description ? ["", operation.description] : []),
    "",
    `Usage: ${usageLine(command)}`,
    ...(flags.length > 0 ? ["", "Flags:", ...table(flags.map(flagLine))] : []),
    "",
    `Effect: ${operation.effect}`,
    ...(Object.keys(operation.errors).length > 0
      ? ["", "May fail with:", ...table(errorLines(command))]
      : []),
    ...(examples.length > 0
      ? ["", "Examples:", ...examples.map(({ command: line }) => `  operon ${line}`)]
      : []),
    "",
  ].join("\n");
}

/** `operon onboard --help` */
export function verbHelp(verb: HandWrittenVerb): string {
  const usage = ["operon", ...verb.words, verb.args, verb.flags.length > 0 ? "[flags]" : ""].filter(
    (word) => word !== "",
  );
  return [
    `${verb.summary}.`,
    ...(verb.description ? ["", verb.description] : []),
    "",
    `Usage: ${usage.join(" ")}`,
    ...(verb.flags.length > 0
      ? [
          "",
          "Flags:",
          ...table(
            verb.flags.map(({ name, kind, summary }) => [
              `--${name}${kind === "text" ? " VALUE" : ""}`,
              summary,
            ]),
          ),
        ]
      : []),
    "",
    "Examples:",
    ...verb.examples.map((line) => `  operon ${line}`),
    "",
  ].join("\n");
}

/** `operon daemon` */
export function groupHelp(word: string, verbs: readonly HandWrittenVerb[]): string {
  return [
    `operon ${word}:`,
    "",
    ...table(verbs.map((verb) => [verb.words.slice(1).join(" "), verb.summary])),
    "",
  ].join("\n");
}

function firstExample(capability: CapabilityDescription): string[] {
  const example = capability.operations
    .flatMap(({ examples }) => examples)
    .find(({ command, error }) => command !== undefined && error === undefined);
  return example ? [`  operon ${example.command}`] : [];
}

function flagLine(flag: Flag): readonly [string, string] {
  const values: Record<Flag["kind"], string> = {
    boolean: "",
    text: " TEXT",
    integer: " N",
    number: " N",
    list: " TEXT...",
    map: " NAME=VALUE...",
    json: " JSON",
  };
  const value =
    flag.choices && flag.kind !== "boolean" ? ` ${flag.choices.join("|")}` : values[flag.kind];
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const isShown =
    flag.byDefault !== undefined &&
    flag.byDefault !== false &&
    !(Array.isArray(flag.byDefault) && flag.byDefault.length === 0);
  const notes = [
    flag.isRequired ? "required" : "",
    isShown ? `default ${JSON.stringify(flag.byDefault)}` : "",
  ].filter((note) => note !== "");
  const summary = notes.length > 0 ? `${flag.summary} (${notes.join(", ")})` : flag.summary;
  return [`${short}--${flag.name}${value}`, summary];
}

function errorLines({ operation }: Command): (readonly [string, string])[] {
  return Object.entries(operation.errors).map(
    ([name, { message }]) => [`${operation.capability}.${name}`, message] as const,
  );
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(34, Math.max(0, ...rows.map(([name]) => name.length)));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`.trimEnd());
}
