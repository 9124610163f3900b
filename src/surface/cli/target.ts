// `node:/path`: a path on a node, as one word.
// It must never guess a node: a word that could be a local relative path is refused.
// Next: input.ts fills calls with what is read here; the node checks the path's spelling.

import { usageError } from "./usage_error.ts";

/** A node's name or key id, then a colon, then what should be an absolute path. */
const TARGET = /^((?:ed25519:[a-z2-7]{52})|[A-Za-z0-9][A-Za-z0-9._-]*):(.*)$/s;

/** Where a word points; `node` is `undefined` when it names none. */
export interface Target {
  readonly node: string | undefined;
  readonly path: string;
}

/** @throws OperonError `cli.target_invalid` */
export function parseTarget(word: string): Target {
  if (word.startsWith("/")) return { node: undefined, path: word };
  const [, node, path] = TARGET.exec(word) ?? [];
  if (node === undefined || path === undefined) {
    const wanted = word.replace(/^.*:/s, "").replace(/^(\.{0,2}\/)+/, "");
    throw usageError(
      "target_invalid",
      `${JSON.stringify(word)} names no node and path`,
      `Write NODE:/PATH, for example local:/${wanted}`,
    );
  }
  if (!path.startsWith("/")) {
    throw usageError(
      "target_invalid",
      `${JSON.stringify(word)} has no absolute path`,
      `Paths on a node start with a slash: ${node}:/${path}`,
    );
  }
  return { node, path };
}
