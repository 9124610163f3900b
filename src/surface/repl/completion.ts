// What may come next on a line: commands, nodes, paths, flags.
// It must never hold the typist up: what does not answer soon is left out, and so is what a terminal would obey.
// Next: shell_verb.ts hands it to the line editor; known_nodes.ts asks.

import { expectedWord, type Offer } from "../completion/expected_word.ts";
import {
  harmless,
  nodeOffers,
  type OfferParts,
  offersFor,
  pathOffers,
} from "../completion/offers.ts";
import { findCommand, firstWords } from "./command_table.ts";
import { nodeBefore, parseLine, type Stage, type Word } from "./shell_line.ts";

/** Candidates for the end of a line, each in place of `replaces`. Never rejects. */
export async function complete(
  line: string,
  parts: OfferParts,
): Promise<{ readonly candidates: readonly string[]; readonly replaces: string }> {
  const { stage, replaces } = lastStage(line);
  const typed = unescaped(replaces);
  const found = typed === undefined ? [] : await wordsFor(typed, { stage, parts });
  const candidates = harmless(found).map(
    ({ word, isOpen }) => `${escaped(word)}${isOpen ? "" : " "}`,
  );
  return { candidates, replaces };
}

/** What a command says of its words, rather than that a path may stand there. */
const OWN: ReadonlySet<string> = new Set(["offers", "value", "folder"]);

interface Position {
  readonly stage: Stage;
  readonly parts: OfferParts;
}

async function wordsFor(typed: string, { stage, parts }: Position): Promise<readonly Offer[]> {
  const { table } = parts;
  const isFile = /^\0/.test(stage.text);
  if (stage.words.length === 0 && !isFile) {
    const isPath = /[:/]/.test(typed);
    const words = isPath ? [] : firstWords(table).filter((word) => word.startsWith(typed));
    const nodes = stage.node === undefined ? await nodeOffers(typed, parts) : [];
    return [...words, ...nodes.map(({ word }) => `${word}:`)].map((word) => ({ word }));
  }
  const found = isFile ? undefined : findCommand(table, stage);
  if (found?.kind === "command") {
    const { expected, lead } = expectedWord(table.root, found.argv, typed);
    if (OWN.has(expected.kind)) {
      const offers = await offersFor(expected, typed.slice(lead.length), parts);
      return offers.map((offer) => ({ ...offer, word: `${lead}${offer.word}` }));
    }
    if (expected.kind === "node")
      return [...(await nodeOffers(typed, parts)), ...(await pathOffers(typed, parts))];
  }
  if (typed.startsWith("-")) return [];
  return offersFor({ kind: "path" }, typed, parts);
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
