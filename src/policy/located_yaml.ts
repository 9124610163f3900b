// YAML with the place of every value, so that an error or a decision can say `config.yaml:41`.
// It must never expand aliases without bound, accept duplicate keys, tags, or more than one document.
// Next: config/load.ts and suite.ts read files through this.

import type { Document, LineCounter, Node, Pair } from "yaml";
import { OperonError } from "../error.ts";

/** Longest text accepted (UTF-16 units). */
export const YAML_LENGTH_MAX = 4 * 1024 * 1024;
/** Aliases one document may resolve in total, nested ones counted: stops "billion laughs". */
const YAML_ALIASES_MAX = 100;

/** Where a value stands; `line` from 1. */
export interface YamlLocation {
  readonly file?: string;
  readonly line?: number;
}

/** Finds where the value at a path stands: the line of its key, or of the nearest thing above it that exists. */
export type Locate = (path: readonly PropertyKey[]) => YamlLocation | undefined;

/** A parsed text with its places. */
export interface LocatedYaml {
  readonly value: unknown;
  readonly locate: Locate;
}

/**
 * Parses one YAML 1.2 document of plain data. JSON is YAML too.
 * @param file shown in errors and locations; nothing is opened
 * @throws OperonError `policy.yaml_invalid` with file and line
 */
export async function locatedYaml(text: string, file?: string): Promise<LocatedYaml> {
  const yaml = await import("yaml");
  if (text.length > YAML_LENGTH_MAX) {
    throw invalid(`The text is longer than ${YAML_LENGTH_MAX} characters`, file, undefined);
  }
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: true,
    schema: "core",
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem) throw invalid(problem.message, file, lines.linePos(problem.pos[0]).line);
  yaml.visit(document, {
    Pair(_at, pair) {
      // Schemas drop this key without a word, and a condition that vanishes makes a rule wider.
      if (keyOf(pair as Pair) !== "__proto__") return;
      const offset = offsetOf(pair.key) ?? 0;
      throw invalid("The key __proto__ is refused", file, lines.linePos(offset).line);
    },
  });
  return {
    value: toValue(document, file),
    locate: (path) => {
      const line = lineOf({ document, lines, yaml }, path);
      return file === undefined && line === undefined
        ? undefined
        : { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
    },
  };
}

function toValue(document: Document.Parsed, file: string | undefined): unknown {
  try {
    return document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw invalid(message, file, undefined);
  }
}

interface Parsed {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly yaml: typeof import("yaml");
}

function lineOf(
  { document, lines, yaml }: Parsed,
  path: readonly PropertyKey[],
): number | undefined {
  let node: unknown = document.contents;
  let offset = offsetOf(node);
  for (const step of path) {
    if (yaml.isAlias(node)) node = node.resolve(document);
    if (yaml.isMap(node)) {
      const pair = node.items.find((item) => keyOf(item) === String(step));
      if (!pair) break;
      offset = offsetOf(pair.key) ?? offset;
      node = pair.value;
    } else if (yaml.isSeq(node)) {
      node = node.items[Number(step)];
      if (node === undefined) break;
      offset = offsetOf(node) ?? offset;
    } else break;
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}

function keyOf(pair: Pair): string {
  const key = pair.key as { value?: unknown } | null;
  return String(key?.value);
}

function offsetOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function invalid(why: string, file: string | undefined, line: number | undefined): OperonError {
  const place = [file, line].filter((part) => part !== undefined).join(":");
  return new OperonError({
    code: "policy.yaml_invalid",
    kind: "invalid_argument",
    message: `${place === "" ? "The YAML text" : place} cannot be read: ${why}`,
    hint: "Correct the YAML syntax there; duplicate keys, tags and several documents are refused",
    data: { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) },
  });
}
