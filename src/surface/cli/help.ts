// Help, made from the same tree as the commands: what there is, how it is written, examples that are tested.
// It must never say anything the grammar does not.
// Next: grammar.ts and flags.ts hold what is shown.

import { argumentsOf, type CommandArgument, flagsOf, GLOBAL_FLAGS } from "./flags.ts";
import { type Command, type CommandNode, visibleChildren } from "./grammar.ts";
import { isTristate, valueName } from "./scan.ts";
import type { Flag } from "./verb.ts";

const WRAP_COLUMNS = 96;
const NAME_COLUMNS_MAX = 30;

/** Help for a word of the tree: the overview, a group, or a command. */
export function helpText(node: CommandNode): string {
  const sections = node.command
    ? [...commandSections(node, node.command), ...childSections(node)]
    : node.path.length === 0
      ? overviewSections(node)
      : groupSections(node);
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** The same, for programs. */
export function helpDocument(node: CommandNode): unknown {
  const { command } = node;
  return {
    command: node.path,
    summary: node.summary,
    ...(command ? { usage: usageLine(command) } : {}),
    ...(command?.kind === "operation" ? { operation: command.operation } : {}),
    ...(command ? { flags: flagsOf(command).map(({ target: _target, ...flag }) => flag) } : {}),
    commands: visibleChildren(node).map(({ name, aliases, summary }) => ({
      name,
      aliases,
      summary,
    })),
  };
}

/** How a command is written: `operon fs read NODE:/PATH [flags]`. */
export function usageLine(command: Command): string {
  const words =
    command.kind === "verb"
      ? command.verb.path
      : [
          command.operation.capability.replaceAll("_", "-"),
          command.forward?.command ?? command.operation.name.replaceAll("_", "-"),
        ];
  const required = flagsOf(command).filter((flag) => flag.required && !flag.hidden);
  const hasOthers = flagsOf(command).some((flag) => !flag.required && !flag.hidden);
  const shape = command.kind === "operation" ? command.operation.cli.rest : undefined;
  const rest = shape ? [shape.optional ? "[-- COMMAND]" : "-- COMMAND"] : [];
  return [
    "operon",
    ...words,
    ...argumentsOf(command).map(argumentName),
    ...required.map((flag) => `--${flag.name} ${valueName(flag)}`),
    ...(hasOthers ? ["[flags]"] : []),
    ...rest,
  ].join(" ");
}

/** `NODE:/PATH`, `[LIMIT]`, `NAMES...` */
function argumentName({ name, optional, variadic }: CommandArgument): string {
  const shown = `${name.toUpperCase()}${variadic ? "..." : ""}`;
  return optional ? `[${shown}]` : shown;
}

function overviewSections(root: CommandNode): string[][] {
  const [groups, verbs] = partition(visibleChildren(root), (node) => node.children.length > 0);
  return [
    ["Machines that reach each other, as nodes that agents and people can use safely"],
    ["Usage: operon COMMAND [words] [flags]"],
    ["Commands:", ...rows(verbs.map((node) => [node.name, node.summary]))],
    [
      "Groups (operon GROUP lists what is in one):",
      ...rows(groups.map((node) => [node.name, node.summary || names(node)])),
    ],
    ["Flags of every command:", ...rows(GLOBAL_FLAGS.map(flagRow))],
    ["Examples:", ...examples(groups.flatMap((node) => firstExample(node)).slice(0, 6))],
    ["operon help COMMAND shows how a command is written"],
  ].filter((lines) => !lines[0]!.endsWith(":") || lines.length > 1);
}

function groupSections(node: CommandNode): string[][] {
  const title = ["operon", ...node.path].join(" ");
  return [
    [node.summary ? `${title}: ${node.summary}` : title],
    ...childSections(node),
    [`${title} COMMAND --help shows how a command is written`],
  ];
}

function childSections(node: CommandNode): string[][] {
  const children = visibleChildren(node);
  if (children.length === 0) return [];
  return [
    [
      "Commands:",
      ...rows(
        children.map((child) => [
          [child.name, ...child.aliases].join(", "),
          child.summary || names(child),
        ]),
      ),
    ],
  ];
}

function commandSections(node: CommandNode, command: Command): string[][] {
  const { summary } = node;
  const described = command.kind === "verb" ? command.verb : (command.forward ?? command.operation);
  const args = argumentsOf(command).filter((argument) => argument.summary !== undefined);
  const flags = flagsOf(command).filter((flag) => !flag.hidden);
  return [
    [summary],
    ...(described.description
      ? [described.description.split("\n").flatMap((line) => wrap(line))]
      : []),
    [`Usage: ${usageLine(command)}`],
    ...(node.aliases.length > 0 ? [[`Also: ${node.aliases.join(", ")}`]] : []),
    ...section(
      "Arguments:",
      args.map((one) => [argumentName(one), one.summary ?? ""] as const),
    ),
    ...section("Flags:", flags.map(flagRow)),
    ...(command.kind === "operation" ? operationSections(command) : []),
    ...(command.kind === "verb" && command.verb.examples
      ? [["Examples:", ...examples(command.verb.examples)]]
      : []),
    [`Flags of every command: ${GLOBAL_FLAGS.map((flag) => `--${flag.name}`).join(" ")}`].flatMap(
      (line) => wrap(line),
    ),
  ];
}

function operationSections({
  operation,
  forward,
}: Extract<Command, { kind: "operation" }>): string[][] {
  const errors = Object.entries(operation.errors).map(
    ([name, { message }]) => [`${operation.capability}.${name}`, message] as const,
  );
  const written = operation.examples.filter(({ command }) => command !== undefined);
  const working = written.filter(({ error }) => error === undefined);
  const own = (working.length > 0 ? working : written).map(({ command }) => command!);
  const lines = forward ? (forward.examples ?? []) : own;
  return [
    [`Effect: ${operation.effect}`],
    ...section("May fail with:", errors),
    ...(lines.length > 0 ? [["Examples:", ...examples(lines)]] : []),
  ];
}

function section(title: string, lines: readonly (readonly [string, string])[]): string[][] {
  return lines.length === 0 ? [] : [[title, ...rows(lines)]];
}

function flagRow(flag: Flag): readonly [string, string] {
  const isOnByDefault = flag.kind === "boolean" && flag.default === true;
  const name = isOnByDefault ? `--no-${flag.name}` : `--${flag.name}`;
  const value = isTristate(flag) ? " true|false" : ` ${valueName(flag)}`;
  const shownValue = flag.kind === "boolean" && !isTristate(flag) ? "" : value;
  const notes = [
    ...(flag.required ? ["required"] : []),
    ...(flag.kind === "list" || flag.kind === "map" ? ["may be repeated"] : []),
    ...(isWorthShowing(flag) ? [`default: ${shownDefault(flag.default)}`] : []),
  ];
  const note = notes.length > 0 ? ` (${notes.join("; ")})` : "";
  const lead = flag.short === undefined ? "" : `-${flag.short}, `;
  const summary = isOnByDefault ? `Turn off: ${flag.summary ?? flag.name}` : (flag.summary ?? "");
  return [`${lead}${name}${shownValue}`, `${summary}${note}`.trimStart()];
}

function isWorthShowing(flag: Flag): boolean {
  return flag.default !== undefined && flag.kind !== "boolean" && flag.kind !== "json";
}

function shownDefault(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function firstExample(node: CommandNode): string[] {
  for (const { command } of node.children) {
    const line =
      command?.kind === "operation"
        ? command.operation.examples.find((one) => one.command && !one.error)?.command
        : command?.verb.examples?.[0];
    if (line) return [line];
  }
  return [];
}

function examples(lines: readonly string[]): string[] {
  return lines.map((line) => `  operon ${line}`);
}

function names(node: CommandNode): string {
  return visibleChildren(node)
    .map((child) => child.name)
    .join(", ");
}

function rows(lines: readonly (readonly [string, string])[]): string[] {
  const short = lines.map(([name]) => name.length).filter((length) => length <= NAME_COLUMNS_MAX);
  const width = Math.max(0, ...short);
  return lines.flatMap(([name, text]) => {
    const [first = "", ...others] = wrap(text, WRAP_COLUMNS - width - 4);
    const indent = " ".repeat(width + 4);
    const head =
      name.length > width
        ? [`  ${name}`, `${indent}${first}`]
        : [`  ${name.padEnd(width)}  ${first}`];
    return [...head, ...others.map((line) => `${indent}${line}`)].map((line) => line.trimEnd());
  });
}

function wrap(text: string, columns = WRAP_COLUMNS): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function partition<Item>(
  items: readonly Item[],
  test: (item: Item) => boolean,
): [yes: Item[], no: Item[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
