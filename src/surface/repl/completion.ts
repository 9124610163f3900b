// What may come next on a line: commands, nodes, paths, flags.
// It must never hold the typist up: what does not answer soon is left out, and so is what a terminal would obey.
// Next: shell_verb.ts hands it to the line editor; known_nodes.ts asks.

import type { Caller } from "../../contract/caller.ts";
import { escapeText } from "../cli/escape.ts";
import { flagsOf, GLOBAL_FLAGS } from "../cli/flags.ts";
import { type CommandNode, visibleChildren } from "../cli/grammar.ts";
import { type CommandTable, findCommand, firstWords, nodeAt } from "./command_table.ts";
import { folderEntries, nodeNames } from "./known_nodes.ts";
import { type Place, placeAt } from "./place.ts";
import { nodeBefore, parseLine, type Stage, type Word } from "./shell_line.ts";

/** How long nodes have to answer (ms). */
const ANSWER_MS = 2_000;
/** Entries of a folder that are looked at. */
const ENTRIES_MAX = 2_000;
/** Candidates that are offered. */
const OFFERED_MAX = 200;

/** What completion works with. */
export interface CompletionParts {
  readonly table: CommandTable;
  readonly place: Place;
  connect(): Promise<Caller>;
  readonly signal: AbortSignal;
}

/** Candidates for the end of a line, each in place of `replaces`. Never rejects. */
export async function complete(
  line: string,
  parts: CompletionParts,
): Promise<{ readonly candidates: readonly string[]; readonly replaces: string }> {
  const { stage, replaces } = lastStage(line);
  const typed = unescaped(replaces);
  const found = typed === undefined ? [] : await candidatesFor(typed, { stage, parts });
  const candidates = [...new Set(found)].filter((word) => escapeText(word) === word);
  return { candidates: candidates.slice(0, OFFERED_MAX), replaces };
}

interface Position {
  readonly stage: Stage;
  readonly parts: CompletionParts;
}

async function candidatesFor(typed: string, { stage, parts }: Position): Promise<string[]> {
  const { table } = parts;
  const isFirst = stage.words.length === 0;
  const isFile = /^\0/.test(stage.text);
  if (isFirst && !isFile) {
    const nodes = stage.node === undefined ? await nodeWords(typed, parts) : [];
    const isPath = /[:/]/.test(typed);
    const words = isPath ? [] : startingWith(typed, firstWords(table));
    return [...words.map((word) => `${word} `), ...nodes.map((node) => `${node}: `)];
  }
  const found = isFile ? undefined : findCommand(table, stage);
  const node = found?.kind === "command" ? reached(table, found.argv) : undefined;
  if (typed.startsWith("-")) return flagWords(node).filter((flag) => flag.startsWith(typed));
  const below = node && !node.command ? visibleChildren(node).map(({ name }) => name) : [];
  if (below.length > 0) return startingWith(typed, below).map((name) => `${name} `);
  const isWhole = typed.includes(":");
  const nodes = isWhole || typed.includes("/") ? [] : await nodeWords(typed, parts);
  const colon = found?.kind === "command" && takesNode(node) ? " " : ":";
  return [...nodes.map((name) => `${name}${colon}`), ...(await pathWords(typed, parts))];
}

/** Paths that begin as the word does. */
async function pathWords(typed: string, parts: CompletionParts): Promise<string[]> {
  const cut = Math.max(typed.lastIndexOf("/"), typed.lastIndexOf(":")) + 1;
  const [base, begun] = [typed.slice(0, cut), typed.slice(cut)];
  return asking(parts, async (caller, signal) => {
    const place = placeAt(parts.place, base === "" ? "." : base);
    const question = { place, limit: ENTRIES_MAX, signal };
    const entries = await folderEntries(caller, parts.table, question);
    const lead = base.endsWith(":") ? `${base}/` : base;
    return entries
      .filter(({ name }) => name.startsWith(begun) && (begun !== "" || !name.startsWith(".")))
      .map(({ name, isFolder }) => `${escaped(`${lead}${name}`)}${isFolder ? "/" : " "}`);
  });
}

async function nodeWords(typed: string, parts: CompletionParts): Promise<string[]> {
  return asking(parts, async (caller, signal) =>
    startingWith(typed, ["local", ...(await nodeNames(caller, parts.table, { signal }))]),
  );
}

async function asking(
  { connect, signal }: CompletionParts,
  ask: (caller: Caller, signal: AbortSignal) => Promise<string[]>,
): Promise<string[]> {
  try {
    await using caller = await connect();
    return await ask(caller, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
  } catch {
    // Nothing to offer is no failure: the line can be typed all the same.
    return [];
  }
}

/** The command whose end the line is, and its last word; a file after `<` or `>` is marked by a NUL. */
function lastStage(line: string): { readonly stage: Stage; readonly replaces: string } {
  const [, head = "", word = ""] = /^(.*?)((?:[^\s\\;|&<>]|\\.)*)$/s.exec(line) ?? [];
  const before = /(?:[;&|]|^\s*on\s[^:]*:\s)(?!.*[;&|])/s.exec(head);
  const text = before ? head.slice(before.index + before[0].length) : head;
  const empty: Stage = {
    node: undefined,
    text: "",
    words: [],
    input: undefined,
    output: undefined,
    foreign: undefined,
  };
  if (/[<>]\s*$/.test(text)) return { stage: { ...empty, text: "\0" }, replaces: word };
  const words = text
    .split(/\s+/)
    .filter((one) => one !== "")
    .map(plain);
  const node = words[0] ? nodeBefore(words[0]) : undefined;
  return {
    stage: { ...empty, node, words: node === undefined ? words : words.slice(1) },
    replaces: word,
  };
}

function plain(text: string): Word {
  return { text, isPlain: true };
}

/** The word without its escapes; `undefined` where it is quoted. */
function unescaped(word: string): string | undefined {
  try {
    const line = parseLine(`x ${word}`);
    if (line.kind !== "steps" || /['"`$]/.test(word)) return undefined;
    return line.steps[0]?.stages[0]?.words[1]?.text ?? "";
  } catch {
    return undefined;
  }
}

function escaped(word: string): string {
  return word.replace(/[\s\\'"`$|&;<>()*?#!{}[\]]/g, "\\$&");
}

function reached({ root }: CommandTable, argv: readonly string[]): CommandNode | undefined {
  const [first = "", second] = argv;
  return (
    (second === undefined ? undefined : nodeAt(root, [first, second])) ?? nodeAt(root, [first])
  );
}

function takesNode(node: CommandNode | undefined): boolean {
  const { command } = node ?? {};
  if (command?.kind !== "operation") return false;
  return command.operation.cli.node === "argument" || command.operation.cli.node === "optional";
}

function flagWords(node: CommandNode | undefined): string[] {
  const own = node?.command ? flagsOf(node.command) : [];
  return [...own, ...GLOBAL_FLAGS].filter(({ hidden }) => !hidden).map(({ name }) => `--${name} `);
}

function startingWith(typed: string, words: readonly string[]): string[] {
  return words.filter((word) => word.startsWith(typed));
}
