// What a document names in its code: commands with their flags, operations, error codes, settings, files; and which of them do not exist.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtin } from "../../src/builtin.ts";
import { configJsonSchema, keysAllowedAt } from "../../src/config/json_schema.ts";
import { Registry } from "../../src/contract/registry.ts";
import { settingsSchemas } from "../../src/node/policy_state.ts";
import { flagsOf, GLOBAL_FLAGS } from "../../src/surface/cli/flags.ts";
import { type CommandNode, childOf, grammar } from "../../src/surface/cli/grammar.ts";
import { handWrittenVerbs } from "../../src/verbs.ts";
import { root } from "./document.ts";

const registry = new Registry(Object.values(builtin));
const capabilities = registry.describe();
const commands = grammar(capabilities, handWrittenVerbs);
const schema = configJsonSchema(settingsSchemas(registry));
const operations = new Set(
  capabilities.flatMap((capability) => capability.operations.map(({ id }) => id)),
);

/** All of src/: codes that no operation declares stand there in quotes. */
const sources = [...new Bun.Glob("**/*.ts").scanSync(join(root, "src"))]
  .map((path) => readFileSync(join(root, "src", path), "utf8"))
  .join("\n");

/** What the code of a document starts operon with: the words up to the end of the command. */
export function commandLinesIn(markdown: string): readonly string[] {
  return codeIn(markdown).flatMap((code) =>
    [...code.matchAll(/(?:^|[$;|(] ?)operon ((?!\s*#)(?:[^\n`'"|;&()]|"[^"]*"|'[^']*')+)/gm)].map(
      ([, words]) => words!.trim(),
    ),
  );
}

/** The command lines whose command or flag does not exist. */
export function unknownCommandLines(markdown: string): readonly string[] {
  return commandLinesIn(markdown).filter((line) => !isKnown(line));
}

/** The inline words like `fs.read` that are no operation, error code or setting. */
export function unknownDottedNames(markdown: string): readonly string[] {
  const inline = [...markdown.matchAll(/`([a-z]\w*(?:\.[a-z]\w*)+)`/g)].map(([, name]) => name!);
  return inline.filter(
    (name) => !operations.has(name) && !isErrorCode(name) && !isSetting(name) && !isFile(name),
  );
}

/** The files of the repository a document names or links to that are not there. */
export function missingFiles(markdown: string, folder = root): readonly string[] {
  const paths = markdown.matchAll(
    /(?<![\w/~.])((?:src|test|scripts|policy-examples|skills)\/[\w./-]*)/g,
  );
  const links = markdown.matchAll(/\]\(([^)#:]+)\)/g);
  return [
    ...[...paths].map(([, path]) => join(root, path!)),
    ...[...links].map(([, path]) => join(folder, path!)),
  ].filter((path) => !existsSync(path.replace(/[.,]$/, "")));
}

function codeIn(markdown: string): readonly string[] {
  return [...markdown.matchAll(/```\w*\n(.*?)^```|`([^`\n]+)`/gms)].map(
    ([, block, inline]) => block ?? inline ?? "",
  );
}

/** Words in capitals, as in `operon help COMMAND`, stand for anything. */
function isKnown(line: string): boolean {
  const words = line.split(/ (?:--|#) /)[0]!.split(/\s+/);
  let node: CommandNode = commands;
  let index = 0;
  if (words[0] === "help") return true;
  for (; index < words.length; index++) {
    const child = childOf(node, words[index]!);
    if (!child) break;
    node = child;
  }
  const isCommandKnown = node !== commands || /^(?:[A-Z-]|$)/.test(words[0]!);
  const isWhole = node.command !== undefined || /^(?:[A-Z-]|$)/.test(words[index] ?? "");
  const flags = [...(node.command ? flagsOf(node.command) : []), ...GLOBAL_FLAGS];
  const typed = words.slice(index).filter((word) => /^--?[a-z]/i.test(word));
  const isFlag = (word: string) =>
    flags.some(({ name, short }) => word.split("=")[0] === `--${name}` || word === `-${short}`);
  return isCommandKnown && isWhole && typed.every(isFlag);
}

function isErrorCode(name: string): boolean {
  const [owner, code, ...more] = name.split(".");
  const isDeclared = capabilities
    .filter(({ id }) => id === owner)
    .some(({ operations }) => operations.some(({ errors }) => code! in errors));
  return more.length === 0 && (isDeclared || sources.includes(`"${name}"`));
}

function isSetting(name: string): boolean {
  const path = name.split(".");
  return keysAllowedAt(schema, path.slice(0, -1)).includes(path.at(-1)!);
}

function isFile(name: string): boolean {
  return /\.(?:json|jsonl|log|md|ts|txt|yaml)$/.test(name);
}
