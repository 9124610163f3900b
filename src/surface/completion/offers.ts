// Words that only nodes know: their names, paths on them, ids of what runs there.
// It must never hold the typist up, fail, or offer a name that a terminal would obey: any peer may have made it.
// Next: repl/known_nodes.ts makes the calls.

import type { Caller } from "../../contract/caller.ts";
import { escapeText } from "../cli/escape.ts";
import { listedValues } from "../cli/listed_values.ts";
import type { CommandTable } from "../repl/command_table.ts";
import { folderEntries, nodeNames } from "../repl/known_nodes.ts";
import { type Place, placeAt } from "../repl/place.ts";
import type { ExpectedWord, Offer } from "./expected_word.ts";

/** How long nodes have to answer (ms). */
const ANSWER_MS = 1_000;
/** Entries of a folder that are looked at. */
const ENTRIES_MAX = 2_000;
/** Words that are offered. */
const OFFERED_MAX = 200;

const ROOT: Place = { node: "local", path: "/" };

/** Whom to ask, and from where. */
export interface OfferParts {
  readonly table: CommandTable;
  /** Where relative paths start; without it a path has to name its node: `gpu:/data`. */
  readonly place: Place | undefined;
  connect(): Promise<Caller>;
  readonly signal: AbortSignal;
}

/** Words that begin as the one that is typed. Never rejects. */
export async function offersFor(
  expected: ExpectedWord,
  typed: string,
  parts: OfferParts,
): Promise<readonly Offer[]> {
  switch (expected.kind) {
    case "offers":
      return expected.offers;
    case "node":
      return nodeOffers(typed, parts);
    case "path":
      return harmless([
        ...(await nodeOffers(typed, parts)).map(({ word }) => ({ word: `${word}:`, isOpen: true })),
        ...(await pathOffers(typed, parts)),
      ]);
    case "folder":
      return folderOffers(typed, expected, parts);
    case "value":
      return valueOffers(typed, expected, parts);
    default:
      return [];
  }
}

/** Without what a terminal would obey, what came twice, and too many. */
export function harmless(offers: readonly Offer[]): readonly Offer[] {
  const words = new Map(offers.map((offer) => [offer.word, offer]));
  return [...words.values()].filter(({ word }) => escapeText(word) === word).slice(0, OFFERED_MAX);
}

/** Names of nodes that begin so. */
export async function nodeOffers(typed: string, parts: OfferParts): Promise<readonly Offer[]> {
  if (/[:/]/.test(typed)) return [];
  const { table } = parts;
  const names = await asking(parts, (caller, signal) => nodeNames(caller, table, { signal }));
  return startingWith(typed, ["local", ...names]);
}

/** Paths that begin so; hidden ones when that is typed. */
export async function pathOffers(typed: string, parts: OfferParts): Promise<readonly Offer[]> {
  if (!parts.place && !/^[^/]+:(?:\/|[^/]*$)/.test(typed)) return [];
  const from = parts.place ?? ROOT;
  // A name may hold a colon, a node's cannot: behind a slash only slashes count.
  const cut = (typed.includes("/") ? typed.lastIndexOf("/") : typed.lastIndexOf(":")) + 1;
  const [base, begun] = [typed.slice(0, cut), typed.slice(cut)];
  const lead = base.endsWith(":") ? `${base}/` : base;
  const entries = await asking(parts, (caller, signal) => {
    const place = placeAt(from, base === "" ? "." : base);
    return folderEntries(caller, parts.table, { place, limit: ENTRIES_MAX, signal });
  });
  return entries
    .filter(({ name }) => name.startsWith(begun) && (begun !== "" || !name.startsWith(".")))
    .map(({ name, isFolder }) => ({
      // A word that begins with a dash would be a flag.
      word: `${lead || (name.startsWith("-") ? "./" : "")}${name}${isFolder ? "/" : ""}`,
      isOpen: isFolder,
    }));
}

async function folderOffers(
  typed: string,
  { node }: Extract<ExpectedWord, { kind: "folder" }>,
  parts: OfferParts,
): Promise<readonly Offer[]> {
  if (typed !== "" && !typed.startsWith("/")) return [];
  const found = await pathOffers(typed || "/", { ...parts, place: { node, path: "/" } });
  return harmless(found.filter(({ isOpen }) => isOpen));
}

async function valueOffers(
  typed: string,
  { source, node }: Extract<ExpectedWord, { kind: "value" }>,
  parts: OfferParts,
): Promise<readonly Offer[]> {
  const values = await asking(parts, (caller, signal) =>
    listedValues(caller, { source, node, limit: ENTRIES_MAX, signal }),
  );
  return startingWith(typed, values);
}

function startingWith(typed: string, words: readonly string[]): readonly Offer[] {
  // Nobody's name is a flag, or what ends an answer to a shell.
  const begun = words.filter((word) => word.startsWith(typed) && !/^[-:]/.test(word));
  return harmless(begun.map((word) => ({ word })));
}

/** An answer, or nothing: what cannot be asked for, or takes too long, can be typed all the same. */
async function asking<Item>(
  { connect, signal }: OfferParts,
  ask: (caller: Caller, signal: AbortSignal) => Promise<readonly Item[]>,
): Promise<readonly Item[]> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const given = Promise.withResolvers<readonly Item[]>();
  late.addEventListener("abort", () => given.resolve([]), { once: true });
  const asked = async () => {
    await using caller = await connect();
    return await ask(caller, late);
  };
  return Promise.race([asked().catch(() => []), given.promise]);
}
