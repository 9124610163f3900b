// Writes the nodes a call found into a configuration of this machine, and says what was left out and why.
// It must never write one that is in conflict, nor anything that vouches for a key.
// Next: config/merge_nodes.ts edits the file; contract/operation.ts has `saves_nodes`.

import { resolve } from "node:path";
import type { MergedNodes, NewNode } from "../../config/merge_nodes.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { OperonError } from "../../error.ts";
import type { Running } from "./context.ts";
import { escapeText } from "./escape.ts";

interface FoundNode extends NewNode {
  readonly state: string;
}

/** @throws OperonError `cli.nodes_in_conflict` when a node was left out, after the others were written; `config.*`, `identity.*` */
export async function saveNodes(
  output: unknown,
  { operation, path }: { readonly operation: OperationDescription; readonly path: string },
  { context, globals }: Running,
): Promise<void> {
  const rows = operation.cli.saves_nodes?.rows ?? "";
  const found = (output as Readonly<Record<string, readonly FoundNode[]>>)[rows] ?? [];
  const [{ mergeNodes }, { unreadSettings }] = await Promise.all([
    import("../../config/merge_nodes.ts"),
    import("../../config/unread_settings.ts"),
  ]);
  const file = resolve(path);
  const settings = unreadSettings(await context.describe());
  const wanted = found.filter(({ state }) => state !== "self" && state !== "conflict");
  const merged = await mergeNodes(file, { settings }, wanted);
  if (!globals.quiet) await context.stdio.stderr.write(`${escapeText(summary(file, merged))}\n`);
  const left = [
    ...found.filter(({ state }) => state === "conflict").map(({ name }) => name),
    ...merged.conflicts.map(({ name }) => name),
  ];
  if (left.length > 0) throw inConflict(file, left, merged);
}

function summary(file: string, { added, unchanged }: MergedNodes): string {
  const there = unchanged.length === 0 ? "" : `; ${unchanged.join(", ")} there already`;
  if (added.length === 0) return `Nothing was added to ${file}${there}`;
  return `Added to ${file}: ${added.join(", ")}${there}. Nobody vouched for their keys: compare each with operon node info there`;
}

function inConflict(
  file: string,
  left: readonly string[],
  { conflicts }: MergedNodes,
): OperonError {
  const names = [...new Set(left)];
  const differing = conflicts.map(
    ({ name, field, there, found }) => `${name} has the ${field} ${there} there, not ${found}`,
  );
  return new OperonError({
    code: "cli.nodes_in_conflict",
    kind: "failed_precondition",
    message: `Not added to ${file}: ${names.join(", ")}${differing.length > 0 ? ` (${differing.join("; ")})` : ""}`,
    hint: "Compare the key with operon node info on that machine; if it is right, change or remove the entry by hand",
    data: { nodes: names },
  });
}
