// Where the shell is: a node and a folder on it, and what a path means from there.
// It must never reach above a node's root, nor change a name: only `.` and `..` are worked out here.
// Next: shell.ts keeps the current one; the node checks every path itself.

import { parseTarget } from "../cli/target.ts";

/** A folder on a node; `path` is absolute, without a slash at its end but for the root. */
export interface Place {
  readonly node: string;
  readonly path: string;
}

/** Where a path of the shell leads: `x`, `../x`, `/x`, `gpu:`, `gpu:/x`. `./a:b` is a name with a colon. */
export function placeAt(from: Place, word: string): Place {
  const { node, path } = parseTarget(
    /^[^/:]+:/.test(word) ? withSlash(word) : absolute(from, word),
  );
  return { node: node ?? from.node, path: normalPath(path) };
}

/** `gpu:/data` */
export function placeText({ node, path }: Place): string {
  return `${node}:${path}`;
}

/** `gpu:` and `gpu:data` start at the node's root. A key id has a colon of its own. */
function withSlash(word: string): string {
  const colon = word.indexOf(":", word.startsWith("ed25519:") ? "ed25519:".length : 0);
  if (colon < 0 || word[colon + 1] === "/") return word;
  return `${word.slice(0, colon)}:/${word.slice(colon + 1)}`;
}

function absolute(from: Place, word: string): string {
  return word.startsWith("/") ? word : `${from.path === "/" ? "" : from.path}/${word}`;
}

function normalPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
