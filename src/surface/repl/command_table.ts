// Whose a command is: the shell's own, an operation's short word, a command of operon, or one for a node's own shell.
// It must never name a capability or an operation: words come from their descriptions.
// Next: run_stage.ts runs what is found here, completion.ts offers it.

import type { CapabilityDescription, OperationDescription } from "../../contract/description.ts";
import type { ShellPart } from "../../contract/operation.ts";
import { type CommandNode, childOf, grammar, kebab, visibleChildren } from "../cli/grammar.ts";
import type { HandWrittenVerb } from "../cli/verb.ts";
import type { Stage } from "./shell_line.ts";

/** Commands the shell has of its own, and what help says about them. */
export const OWN_COMMANDS = {
  cd: "Go to a folder: cd data, cd .., cd gpu:/data, cd gpu:",
  pwd: "Show the node and folder",
  edit: "Edit a file here, and write it back if nobody else has changed it",
  tty: "Run a command in a terminal; sh, vim, top and their like get one by themselves",
  help: "Explain: help, help COMMAND",
  history: "Show the lines of before",
  exit: "Leave, as Ctrl-D does",
} as const satisfies Readonly<Record<string, string>>;

/** Name of one of {@link OWN_COMMANDS}. */
export type OwnCommand = keyof typeof OWN_COMMANDS;

/** What a command is. */
export type Found =
  | { readonly kind: "own"; readonly name: OwnCommand; readonly words: readonly string[] }
  /** A command of operon: its argv without `operon`. */
  | {
      readonly kind: "command";
      /** As it was typed: `ls`. */
      readonly word: string;
      readonly argv: readonly string[];
    }
  /** For the node's own shell. */
  | { readonly kind: "foreign" };

/** All commands, and the operations the shell itself stands on. */
export interface CommandTable {
  readonly root: CommandNode;
  /** Short words: `ls`. */
  readonly words: ReadonlyMap<string, OperationDescription>;
  part(part: ShellPart): OperationDescription | undefined;
}

/** The table of some capabilities and verbs. */
export function commandTable(
  capabilities: readonly CapabilityDescription[],
  verbs: readonly HandWrittenVerb[],
): CommandTable {
  const operations = capabilities.flatMap((capability) => capability.operations);
  const words = new Map<string, OperationDescription>();
  for (const operation of operations) {
    for (const word of operation.cli.shell?.words ?? []) {
      if (!words.has(word)) words.set(word, operation);
    }
  }
  return {
    root: grammar(
      capabilities,
      verbs.filter((verb) => !verb.isShell),
    ),
    words,
    part: (part) => operations.find(({ cli }) => cli.shell?.part === part),
  };
}

/** Whose command a stage is. A quoted first word (`\ls`) is for the node's own shell. */
export function findCommand(table: CommandTable, { words, node }: Stage): Found {
  const [first, ...others] = words;
  if (!first)
    return node === undefined ? { kind: "foreign" } : { kind: "own", name: "cd", words: [] };
  if (!first.isPlain) return { kind: "foreign" };
  const rest = others.map(({ text }) => text);
  const { text } = first;
  if (Object.hasOwn(OWN_COMMANDS, text)) {
    return { kind: "own", name: text as OwnCommand, words: rest };
  }
  const short = table.words.get(text);
  // Without a file it is a filter, and the node has that: `… | gpu: cat | …`.
  if (short?.cli.shell?.part === "file_source" && rest.length === 0) return { kind: "foreign" };
  const operation = short ?? operationOf(table, text);
  if (operation) {
    const { capability, name } = operation;
    const path = [kebab(capability), kebab(name)];
    return { kind: "command", word: text, argv: [...path, ...rest] };
  }
  const found = childOf(table.root, text);
  if (!found || found.hidden) return { kind: "foreign" };
  if (found.command) return { kind: "command", word: text, argv: [text, ...rest] };
  // `node app.js` is not about nodes: a group is meant only with one of its commands, or for its help.
  const [second] = rest;
  const isGroup = second === undefined || second === "--help" || childOf(found, second);
  return isGroup ? { kind: "command", word: text, argv: [text, ...rest] } : { kind: "foreign" };
}

/** Short words, the shell's own commands, and the first words of all others. */
export function firstWords({ root, words }: CommandTable): readonly string[] {
  const names = visibleChildren(root).map(({ name }) => name);
  return [...new Set([...Object.keys(OWN_COMMANDS), ...words.keys(), ...names])].toSorted();
}

/** The node of the tree under some words. */
export function nodeAt(root: CommandNode, path: readonly string[]): CommandNode | undefined {
  return path.reduce<CommandNode | undefined>((node, word) => node && childOf(node, word), root);
}

/** `group.name`, as operations are called everywhere else. */
function operationOf({ root }: CommandTable, word: string): OperationDescription | undefined {
  const [group, name, ...more] = word.split(".");
  if (!group || !name || more.length > 0) return undefined;
  const found = nodeAt(root, [group, name]);
  return found?.command?.kind === "operation" && !found.hidden
    ? found.command.operation
    : undefined;
}
