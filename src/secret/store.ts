// The file of secrets: names and values as YAML, mode 0600, replaced whole under a lock.
// It must never repeat a line of the file in an error, nor read a file others could have read.
// Next: secrets.ts joins it with the references of the configuration.

import { existsSync } from "node:fs";
import { OperonError } from "../error.ts";
import { lockFile } from "../identity/file_lock.ts";
import { readPrivateFile, writePrivateFile } from "../identity/private_file.ts";
import { SecretName } from "./reference.ts";

/** Largest file (bytes). */
export const STORE_BYTES_MAX = 1024 * 1024;

const HEADER = "# Secrets for commands. Change them with: operon secret set NODE NAME\n";

/** Values by name. Without a file there are none. @throws OperonError `identity.file_*`, `secret.store_invalid` */
export async function readStore(path: string): Promise<ReadonlyMap<string, string>> {
  return parse(path, await import("yaml"));
}

/** Changes the file. @throws OperonError as {@link readStore}, `secret.store_full` */
export async function changeStore(
  path: string,
  change: (values: Map<string, string>) => void,
): Promise<void> {
  // Loaded first: nothing waits while the lock is held.
  const yaml = await import("yaml");
  using _lock = lockFile(path);
  const values = parse(path, yaml);
  change(values);
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = HEADER + yaml.stringify(Object.fromEntries(sorted), { lineWidth: 0 });
  const bytes = new TextEncoder().encode(text);
  if (bytes.byteLength > STORE_BYTES_MAX) throw full(path);
  writePrivateFile(path, bytes);
}

function parse(path: string, yaml: typeof import("yaml")): Map<string, string> {
  if (!existsSync(path)) return new Map();
  const bytes = readPrivateFile(path, { maxBytes: STORE_BYTES_MAX });
  const lines = new yaml.LineCounter();
  let line: number | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // Every scalar is a text: a token that looks like a number is still a token.
    const options = { schema: "failsafe", prettyErrors: false, lineCounter: lines } as const;
    const document = yaml.parseDocument(text, options);
    const [problem] = document.errors;
    if (problem) line = lines.linePos(problem.pos[0]).line;
    if (problem) throw new Error("invalid");
    const entries = Object.entries((document.toJS({ maxAliasCount: 0 }) ?? {}) as object);
    for (const [name, value] of entries)
      if (!SecretName.safeParse(name).success || typeof value !== "string") throw new Error(name);
    return new Map(entries);
  } catch {
    // No cause: what the parser says may hold a part of the file.
    throw invalid(path, line);
  }
}

function invalid(path: string, line: number | undefined): OperonError {
  return new OperonError({
    code: "secret.store_invalid",
    kind: "failed_precondition",
    message: `${path}${line === undefined ? "" : `:${line}`} is no list of secrets`,
    hint: "Each line is NAME: value; a name has capitals, digits and underscores only",
  });
}

function full(path: string): OperonError {
  return new OperonError({
    code: "secret.store_full",
    kind: "resource_exhausted",
    message: `${path} would have more than ${STORE_BYTES_MAX} bytes`,
    hint: "Remove what is no longer used: operon secret list NODE",
  });
}
