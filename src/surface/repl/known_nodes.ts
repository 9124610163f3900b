// What the shell asks nodes on its own behalf: which nodes there are, what is in a folder.
// It must never hold a line up for long, nor take more of an answer than it can use.
// Next: completion.ts offers what is found, own_command.ts looks before `cd`.

import type { Caller, CallOptions } from "../../contract/caller.ts";
import { firstValues } from "../cli/listed_values.ts";
import type { CommandTable } from "./command_table.ts";
import type { Place } from "./place.ts";
import { partOf, pathInput } from "./shell_part.ts";

/** Nodes and entries that are of use in a completion; a peer may name more. */
const NAMES_MAX = 1_000;

/** An entry of a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** Names of the known nodes. @throws OperonError of the call */
export async function nodeNames(
  caller: Caller,
  table: CommandTable,
  options: CallOptions,
): Promise<readonly string[]> {
  const { id } = partOf(table, "nodes");
  const output = await caller.call("local", id, {}, options).output;
  const nodes = (output as { readonly nodes?: unknown }).nodes;
  const names = Array.isArray(nodes) ? nodes.map((node) => (node as { name?: unknown })?.name) : [];
  return names.filter((name) => typeof name === "string").slice(0, NAMES_MAX);
}

/** What is asked about a folder. */
export interface FolderQuestion extends CallOptions {
  readonly place: Place;
  /** Entries to look at, at most. */
  readonly limit: number;
}

/** The first entries of a folder. @throws OperonError of the call, such as `not_found` */
export async function folderEntries(
  caller: Caller,
  table: CommandTable,
  { place, limit, ...options }: FolderQuestion,
): Promise<readonly FolderEntry[]> {
  const operation = partOf(table, "folder");
  const call = caller.call(place.node, operation.id, pathInput(operation, place), options);
  const entries: FolderEntry[] = [];
  for (const value of await firstValues(call, limit)) {
    const { name, type } = (value ?? {}) as { name?: unknown; type?: unknown };
    if (typeof name === "string") entries.push({ name, isFolder: type === "folder" });
  }
  return entries;
}
