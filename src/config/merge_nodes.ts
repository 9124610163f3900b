// Adds nodes to `client.nodes` of a configuration, or of a fresh one that holds nothing else.
// It must never change a node that is there: another key or endpoint under its name is a conflict, and a person's to settle.
// Next: edit.ts changes the file; surface/cli/save_nodes.ts says what came of it.

import { existsSync } from "node:fs";
import type { Document } from "yaml";
import { writePrivateFile } from "../identity/private_file.ts";
import { editConfig } from "./edit.ts";
import type { LoadOptions } from "./load.ts";

/** A node to be added. */
export interface NewNode {
  readonly name: string;
  /** `ed25519:<base32>` */
  readonly key: string;
  readonly endpoint: string;
}

/** What became of each node, by name. */
export interface MergedNodes {
  readonly added: readonly string[];
  /** There already, as it is announced. */
  readonly unchanged: readonly string[];
  readonly conflicts: readonly {
    readonly name: string;
    /** What is not the same. */
    readonly field: "key" | "endpoint";
    readonly there: string;
    readonly found: string;
  }[];
}

const FRESH = `# Nodes that were found on the local network. Nobody vouched for their keys: compare each with operon node info there.
version: 1
client:
  nodes: {}
`;

/** Merges, with comments kept; a conflict keeps back only its own node. Errors as {@link editConfig}, and those of private files. */
export async function mergeNodes(
  path: string,
  options: LoadOptions,
  nodes: readonly NewNode[],
): Promise<MergedNodes> {
  if (!existsSync(path)) writePrivateFile(path, Buffer.from(FRESH), { exclusive: true });
  const added: string[] = [];
  const unchanged: string[] = [];
  const conflicts: MergedNodes["conflicts"][number][] = [];
  await editConfig(path, options, (document, { config }) => {
    const there = new Map(Object.entries(config.client?.nodes ?? {}));
    for (const node of nodes) {
      const { name, key, endpoint } = node;
      const known = there.get(name);
      if (known === undefined) {
        there.set(name, { key, endpoint });
        add(document, node);
        added.push(name);
      } else if (known.key !== undefined && known.key !== key) {
        conflicts.push({ name, field: "key", there: known.key, found: key });
      } else if (known.endpoint !== endpoint) {
        conflicts.push({ name, field: "endpoint", there: known.endpoint, found: endpoint });
      } else unchanged.push(name);
    }
  });
  return { added, unchanged, conflicts };
}

function add(document: Document, { name, key, endpoint }: NewNode): void {
  const nodes = document.getIn(["client", "nodes"]) as { flow?: boolean; items?: unknown[] };
  // A flow map of many nodes is one long line; an empty one has no style of its own to keep.
  if (nodes?.items?.length === 0) nodes.flow = false;
  document.setIn(["client", "nodes", name], document.createNode({ endpoint, key }, { flow: true }));
}
