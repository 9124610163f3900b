// A command line, sorted: one cac instance per command group separates arguments from options.
// It must never let a value be read as a number or a flag: cac sees each one sealed behind a guard.
// Next: scan.ts finds the words, input.ts converts the result.

import { type CAC, type Command as CacCommand, cac } from "cac";
import { argumentsOf, flagsOf } from "./flags.ts";
import type { CommandNode } from "./grammar.ts";
import { type Scan, scan, shown, type Token } from "./scan.ts";
import { usageError } from "./usage_error.ts";
import type { Flag, GlobalFlags } from "./verb.ts";

/** What was typed, in order, not yet converted. */
export interface CommandLine {
  readonly node: CommandNode;
  readonly isHelp: boolean;
  readonly words: readonly string[];
  /** Values by flag name; more than one only for flags that may be repeated. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[] | undefined;
  readonly globals: GlobalFlags;
}

/**
 * cac makes `007` the number 7, the empty text 0, and takes no value that starts with a dash. Behind the guard a value is
 * none of these; behind the prefix a name is never negated (`no-…`), nested (`a.b`) or dropped (`constructor`).
 */
const GUARD = "=";
const PREFIX = "set-";

/** @throws OperonError `cli.command_unknown`, `cli.flag_unknown`, `cli.flag_repeated`, `cli.value_missing`, `cli.value_invalid` */
export function readCommandLine(root: CommandNode, argv: readonly string[]): CommandLine {
  const found = scan(root, argv);
  const own = found.node.command ? flagsOf(found.node.command) : [];
  const { words, flags } = sort(found, own);
  const globals = new Map<string, string>();
  for (const { flag, value } of found.globals) {
    const mine = own.find((other) => other.name === flag.name);
    // `operon --timeout-secs 5 VERB` means the verb's own flag where it has one.
    if (mine && !flags.has(mine.name)) flags.set(mine.name, [value]);
    else if (!mine) globals.set(flag.name, value);
  }
  assertNotRepeated(own, flags);
  return {
    node: withVariant(found.node, flags),
    isHelp: found.isHelp,
    words,
    flags,
    rest: found.rest,
    globals: globalFlags(globals),
  };
}

/** The command as another operation, where a flag says so; the flag has then done its work. */
function withVariant(node: CommandNode, flags: Map<string, string[]>): CommandNode {
  const { command } = node;
  if (command?.kind !== "operation") return node;
  for (const { flag, operation } of command.variants ?? []) {
    const isOn = flags.get(flag)?.[0] === "true";
    flags.delete(flag);
    if (isOn) return { ...node, command: { kind: "operation", operation } };
  }
  return node;
}

/** A group's commands as cac has them. */
export function cacGroup(group: string, nodes: readonly CommandNode[]): CAC {
  const cli = cac(group);
  for (const node of nodes) {
    if (!node.command) continue;
    const args = argumentsOf(node.command).map(({ name, optional, variadic }) => {
      const dots = variadic ? "..." : "";
      return optional ? `[${dots}${name}]` : `<${dots}${name}>`;
    });
    const command = cli.command([node.name, ...args].join(" "), node.summary);
    for (const alias of node.aliases) command.alias(alias);
    for (const flag of flagsOf(node.command)) {
      command.option(`--${PREFIX}${flag.name} <value>`, flag.summary ?? "");
    }
  }
  return cli;
}

function sort(
  { node, tokens }: Scan,
  own: readonly Flag[],
): { words: string[]; flags: Map<string, string[]> } {
  if (!node.command) return { words: [], flags: new Map() };
  const cli = cacGroup(node.path.slice(0, -1).join(" "), [node]);
  const parsed = cli.parse(["", "", node.name, ...tokens.map(seal)], { run: false });
  const { options: declared } = cli.commands[0] as CacCommand;
  const flags = new Map<string, string[]>();
  own.forEach((flag, index) => {
    const value: unknown = parsed.options[declared[index]!.name];
    if (value !== undefined) flags.set(flag.name, [value].flat().map(unseal));
  });
  return { words: parsed.args.map(unseal), flags };
}

function seal(token: Token): string {
  return token.kind === "word"
    ? `${GUARD}${token.word}`
    : `--${PREFIX}${token.flag.name}=${GUARD}${token.value}`;
}

function unseal(value: unknown): string {
  return String(value).slice(GUARD.length);
}

function assertNotRepeated(
  flags: readonly Flag[],
  values: ReadonlyMap<string, readonly string[]>,
): void {
  for (const flag of flags) {
    const given = values.get(flag.name)?.length ?? 0;
    if (given < 2 || flag.kind === "list" || flag.kind === "map") continue;
    throw usageError("flag_repeated", `${shown(flag)} is given ${given} times`, "Give it once");
  }
}

function globalFlags(values: ReadonlyMap<string, string>): GlobalFlags {
  const isOn = (name: string) => {
    const value = values.get(name) ?? "false";
    if (value === "true" || value === "false") return value === "true";
    throw usageError("value_invalid", `--${name} takes no value but true or false`);
  };
  return {
    json: isOn("json"),
    quiet: isOn("quiet"),
    verbose: isOn("verbose"),
    yes: isOn("yes"),
    color: !isOn("no-color"),
    help: isOn("help"),
    version: isOn("version"),
    config: values.get("config"),
    home: values.get("home"),
    identity: values.get("identity"),
    timeoutSecs: seconds(values.get("timeout-secs")),
  };
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0) return value;
  throw usageError(
    "value_invalid",
    `--timeout-secs is ${JSON.stringify(text)}, not a number of seconds above 0`,
    "Write for example --timeout-secs 30",
  );
}
