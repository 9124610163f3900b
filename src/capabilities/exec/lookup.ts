// Finds the file a command word means, on a configured path and nowhere else.
// It must never look into the working directory or the caller's PATH for a bare word.
// Next: facts.ts uses it before policy decides.

import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** The file behind a command word. */
export interface FoundCommand {
  /** Where it was found: real folder, name as it stands there (which may be a link). */
  readonly path: string;
  /** The file itself, all links followed. */
  readonly executable: string;
}

/** What a look-up ends in. */
export type Lookup =
  | { readonly kind: "found"; readonly command: FoundCommand }
  | { readonly kind: "not_found" }
  | { readonly kind: "not_executable"; readonly path: string };

/**
 * Looks a word up: one with a slash relative to `folder` (a host path), any other in `searchPath`.
 */
export function lookUp(word: string, searchPath: readonly string[], folder?: string): Lookup {
  if (word.includes("/")) {
    if (folder === undefined && !word.startsWith("/")) return { kind: "not_found" };
    // The kernel refuses a file named with a trailing slash, resolve() would forget it.
    if (word.endsWith("/")) return { kind: "not_executable", path: word };
    return inspect(resolve(folder ?? "/", word));
  }
  if (word === "" || word === "." || word === "..") return { kind: "not_found" };
  let refused: Lookup = { kind: "not_found" };
  for (const candidate of searchPath) {
    const lookup = inspect(join(candidate, word));
    if (lookup.kind === "found") return lookup;
    if (lookup.kind === "not_executable" && refused.kind === "not_found") refused = lookup;
  }
  return refused;
}

function inspect(path: string): Lookup {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) return { kind: "not_found" };
    if (!stats.isFile()) return { kind: "not_executable", path };
    accessSync(path, constants.X_OK);
    const found = join(realpathSync(dirname(path)), basename(path));
    return { kind: "found", command: { path: found, executable: realpathSync(path) } };
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    const isForbidden = code === "EACCES" || code === "EPERM";
    return isForbidden ? { kind: "not_executable", path } : { kind: "not_found" };
  }
}
