// Reads words by the grammar: which node, which input, which streams. Values stay the text that was typed until their
// field's type is known, so that `--content 007` is not a number.
// It must never guess: an unknown flag, a missing or surplus word is an error that says what was expected.
// Next: grammar.ts says what there is; run_operation.ts makes the call.

import { existsSync, readFileSync, statSync } from "node:fs";
import cac from "cac";
import { suggest } from "../../policy/nearest_name.ts";
import type { Argument, Command, Flag } from "./grammar.ts";
import { usageError } from "./usage_error.ts";

/** A command line, understood. */
export interface ParsedCommand {
  /** `local` for the own node. */
  readonly node: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** What the caller's stream is fed from, when a flag says so. */
  readonly receives: { readonly text: string } | { readonly file: string } | undefined;
  /** Local file for the node's stream. */
  readonly sendsTo: string | undefined;
}

const FILE_BYTES_MAX = 400 * 1024;

/** @throws OperonError `cli.usage` */
export function parseCommand(command: Command, words: readonly string[]): ParsedCommand {
  const { positionals, options, rest } = splitWords(command, words);
  const input: Record<string, unknown> = {};
  let receives: ParsedCommand["receives"];
  let sendsTo: string | undefined;
  for (const flag of command.flags) {
    const given = options.get(flag.name);
    if (given === undefined) continue;
    const { target } = flag;
    if (target.to === "sends") sendsTo = one(flag, given);
    else if (target.to === "receives")
      receives = target.isFile ? { file: one(flag, given) } : { text: one(flag, given) };
    else if (target.field !== "--")
      input[target.field] = target.isFile ? readText(one(flag, given)) : valueFor(flag, given);
  }
  const node = takePositionals(command, positionals, input);
  takeRest(command, { rest, isArgv: options.get("argv") !== undefined }, input);
  for (const flag of command.flags) {
    const isMissing =
      flag.isRequired && flag.target.to === "input" && !(flag.target.field in input);
    if (isMissing) throw usageError(`--${flag.name} is missing`, usageHint(command));
  }
  return { node, input, receives, sendsTo };
}

interface SplitWords {
  readonly positionals: readonly string[];
  readonly options: ReadonlyMap<string, readonly (string | boolean)[]>;
  readonly rest: readonly string[] | undefined;
}

/** cac cuts the line; every value is declared a list of texts, or it would turn digits into numbers. */
function splitWords(command: Command, words: readonly string[]): SplitWords {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const cli = cac(command.words.join(" "));
  const parser = cli.command("[...words]", "").allowUnknownOptions().ignoreOptionDefaultValue();
  for (const flag of command.flags) {
    const names = `${flag.short === undefined ? "" : `-${flag.short}, `}--${flag.name}`;
    if (flag.kind === "boolean") parser.option(names, "");
    else parser.option(`${names} <value>`, "", { type: [String] });
  }
  const parsed = cli.parse(["", "", ...spellBooleans(command, own)], { run: false });
  const byProperty = new Map(command.flags.map((flag) => [camelCase(flag.name), flag]));
  const options = new Map<string, readonly (string | boolean)[]>();
  for (const [property, value] of Object.entries(parsed.options as Record<string, unknown>)) {
    const flag = byProperty.get(property) ?? command.flags.find(({ short }) => short === property);
    if (property === "--" || value === undefined) continue;
    if (!flag) throw unknownFlag(command, property, own);
    if (
      value === "undefined" ||
      (Array.isArray(value) && value.every((item) => item === "undefined"))
    )
      continue;
    options.set(flag.name, Array.isArray(value) ? value : [value as boolean]);
  }
  return { positionals: parsed.args, options, rest: end < 0 ? undefined : words.slice(end + 1) };
}

/** `--allowed false` and `--allowed=false` mean `--no-allowed`. */
function spellBooleans(command: Command, words: readonly string[]): string[] {
  const names = new Set(
    command.flags.filter(({ kind }) => kind === "boolean").map(({ name }) => `--${name}`),
  );
  const spelled: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string;
    const [name = "", inline] = word.split("=", 2);
    if (!names.has(name)) spelled.push(word);
    else {
      const next = words[index + 1];
      const value = inline ?? (next === "true" || next === "false" ? next : undefined);
      if (inline === undefined && value !== undefined) index++;
      spelled.push(value === "false" ? `--no-${name.slice(2)}` : name);
    }
  }
  return spelled;
}

function takePositionals(
  command: Command,
  words: readonly string[],
  input: Record<string, unknown>,
): string {
  let node = "local";
  const remaining = [...words];
  const needed = command.args.filter((arg) => !arg.isOptional).length;
  for (const arg of command.args) {
    if (arg.isVariadic) {
      input[arg.field as string] = remaining.splice(0);
      continue;
    }
    // An optional word is taken only when enough are left for the required ones.
    const isSkipped = arg.isOptional && remaining.length <= needed - takenRequired(command, arg);
    const word = isSkipped ? undefined : remaining.shift();
    if (word === undefined) {
      if (!arg.isOptional) throw usageError(`${arg.name} is missing`, usageHint(command));
      continue;
    }
    if (arg.form === "node" && arg.field === undefined) node = word;
    else if (arg.form === "node_path") node = takeNodePath(arg, word, { input, node });
    else takeValue(command, arg, { word, input });
  }
  if (remaining.length > 0)
    throw usageError(`"${remaining[0]}" is one word too many`, usageHint(command));
  return node;
}

function takenRequired(command: Command, until: Argument): number {
  return command.args.slice(0, command.args.indexOf(until)).filter((arg) => !arg.isOptional).length;
}

function takeValue(
  command: Command,
  arg: Argument,
  { word, input }: { word: string; input: Record<string, unknown> },
): void {
  const isFile = arg.fileInto !== undefined && existsSync(word) && statSync(word).isFile();
  if (isFile) input[arg.fileInto as string] = readText(word);
  else input[arg.field as string] = positionalValue(command, arg.field as string, word);
}

/** `gpu:/data/x` names a node and a path; a path alone is on the own node. */
function takeNodePath(
  arg: Argument,
  word: string,
  { input, node }: { input: Record<string, unknown>; node: string },
): string {
  const match = /^([A-Za-z0-9][A-Za-z0-9._-]*|ed25519:[a-z2-7]{52}):(\/.*)$/s.exec(word);
  const [, name, path] = match ?? [];
  if (match === null && !word.startsWith("/")) {
    throw usageError(
      `"${word}" names no node and path`,
      "Write NODE:/PATH, for example local:/notes.txt",
    );
  }
  const isSecond =
    arg.field !== undefined &&
    Object.keys(input).some((field) => field !== arg.field && field.endsWith("path"));
  if (isSecond && name !== undefined && node !== "local" && name !== node) {
    throw usageError(
      `Both paths must be on one node, not on ${node} and ${name}`,
      "Read from one and write to the other: operon fs read A:/x | operon fs write B:/x",
    );
  }
  input[arg.field as string] = path ?? word;
  return name ?? node;
}

function takeRest(
  command: Command,
  { rest, isArgv }: { rest: readonly string[] | undefined; isArgv: boolean },
  input: Record<string, unknown>,
): void {
  const shape = command.operation.cli.rest;
  if (!shape) {
    if (rest !== undefined)
      throw usageError("This command takes no words after --", usageHint(command));
    return;
  }
  if (rest === undefined || rest.length === 0)
    throw usageError(
      "The command to run is missing",
      `Write it after --, for example: ${usageLine(command)}`,
    );
  if (rest.length === 1 && !isArgv) input[shape.shell] = rest[0];
  else input[shape.argv] = [...rest];
  if (isArgv && "literal" in propertiesIn(command)) input.literal = true;
}

function propertiesIn(command: Command): Readonly<Record<string, unknown>> {
  return (command.operation.input.properties as Record<string, unknown> | undefined) ?? {};
}

/** Reads a flag's words by its type. @throws OperonError `cli.usage` */
export function valueFor(flag: Flag, given: readonly (string | boolean)[]): unknown {
  if (flag.kind === "boolean") return given.at(-1) !== false && given.at(-1) !== "false";
  if (flag.kind === "list") return given.map(String);
  if (flag.kind === "map")
    return Object.fromEntries(given.map((word) => keyValue(flag, String(word))));
  const word = one(flag, given);
  if (flag.kind === "integer" || flag.kind === "number") return numberOf(flag, word);
  if (flag.kind === "json") return jsonOf(flag, word);
  if (flag.choices && !flag.choices.includes(word)) {
    throw usageError(
      `--${flag.name} cannot be "${word}"`,
      `It is one of: ${flag.choices.join(", ")}`,
    );
  }
  return word;
}

function positionalValue(command: Command, field: string, word: string): unknown {
  const schema = (
    command.operation.input.properties as Record<string, { type?: string }> | undefined
  )?.[field];
  if (schema?.type !== "integer" && schema?.type !== "number" && schema?.type !== "object")
    return schema?.type === undefined ? looseJson(word) : word;
  const kind = schema.type === "object" ? "json" : schema.type;
  const flag = { name: field, kind } as Flag;
  return kind === "json" ? jsonOf(flag, word) : numberOf(flag, word);
}

/** A field of any type: JSON where it is JSON, else the text. */
function looseJson(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch {
    return word;
  }
}

function numberOf(flag: Pick<Flag, "name" | "kind">, word: string): number {
  const value = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isFinite(value) && (flag.kind === "number" || Number.isInteger(value))) return value;
  throw usageError(
    `--${flag.name} cannot be "${word}"`,
    `It takes ${flag.kind === "integer" ? "a whole number" : "a number"}`,
  );
}

function jsonOf(flag: Pick<Flag, "name">, word: string): unknown {
  try {
    return JSON.parse(word);
  } catch {
    throw usageError(
      `--${flag.name} is not valid JSON`,
      `Quote it for the shell, for example: --${flag.name} '{"path":"/x"}'`,
    );
  }
}

function keyValue(flag: Flag, word: string): [string, string] {
  const at = word.indexOf("=");
  if (at > 0) return [word.slice(0, at), word.slice(at + 1)];
  throw usageError(`--${flag.name} cannot be "${word}"`, `Write --${flag.name} NAME=VALUE`);
}

function one(flag: Flag, given: readonly (string | boolean)[]): string {
  if (given.length > 1)
    throw usageError(`--${flag.name} is given ${given.length} times`, "Give it once");
  const [word] = given;
  if (typeof word !== "string")
    throw usageError(`--${flag.name} needs a value`, `Write --${flag.name} VALUE`);
  return word;
}

function readText(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile())
    throw usageError(`There is no file ${path} here`, "Check the path; it is read on this machine");
  if (stats.size > FILE_BYTES_MAX)
    throw usageError(`${path} is larger than ${FILE_BYTES_MAX} bytes`, "Split it");
  return readFileSync(path, "utf8");
}

function unknownFlag(command: Command, property: string, words: readonly string[]): Error {
  const typed = words.find(
    (word) =>
      word.startsWith("-") &&
      camelCase(word.replace(/^-+(no-)?/, "").split("=")[0] as string) === property,
  );
  const name = typed?.split("=")[0] ?? `--${property}`;
  const known = command.flags.map((flag) => `--${flag.name}`);
  return usageError(
    `${command.words.join(" ")} has no flag ${name}`,
    known.length > 0 ? suggest(name, known) : usageHint(command),
  );
}

function camelCase(name: string): string {
  return name.replace(/-([a-zA-Z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

/** `operon fs read <node:/path> [flags]` */
export function usageLine(command: Command): string {
  const args = command.args.map(({ name, isOptional, isVariadic }) => {
    const shown = isVariadic ? `${name}...` : name;
    return isOptional ? `[${shown}]` : `<${shown}>`;
  });
  const flags = command.flags.length > 0 ? ["[flags]"] : [];
  const rest = command.operation.cli.rest ? ["-- COMMAND [WORDS...]"] : [];
  return ["operon", ...command.words, ...args, ...flags, ...rest].join(" ");
}

function usageHint(command: Command): string {
  return `Usage: ${usageLine(command)}`;
}
