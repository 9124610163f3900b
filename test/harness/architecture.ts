// Checks the shape of the source: which file may import which, and what only some files may do.
// It must never run what it checks: it reads text with TypeScript's parser, so that `import type` counts like any import.
// Next: import_scan.ts sees the imports; CONTRIBUTING.md explains the layers to people; ../architecture.test.ts applies this.

import { dirname, join } from "node:path/posix";
import { type Import, importsOf, type SourceFacts } from "./import_scan.ts";

/** Paths from the root of the repository (`src/wire/frame.ts`) to their text. */
export type Sources = ReadonlyMap<string, string>;

/** One thing that is not as it must be. */
export interface Violation {
  readonly rule:
    | "up"
    | "sideways"
    | "cycle"
    | "homeless"
    | "unresolved"
    | "outside"
    | "test-only"
    | "unseen"
    | "undeclared"
    | "impure"
    | "entry-only"
    | "export-all"
    | "named-operation"
    | "name";
  readonly path: string;
  /** From 1; 0 when it is about the file as a whole. */
  readonly line: number;
  readonly message: string;
}

/** A group of files that may import each other freely (but not in a cycle), and the layer it is in. */
export interface Unit {
  readonly name: string;
  readonly layer: number;
}

const FOLDER_LAYERS: Readonly<Record<string, number>> = {
  identity: 1,
  wire: 2,
  policy: 3,
  audit: 3,
  trace: 3,
  secret: 3,
  contract: 4,
  config: 4,
  node: 5,
  surface: 5,
  workflow: 5,
  doctor: 5,
  supervision: 5,
};
const GROUND = new Set([
  "compiled_c.ts",
  "error.ts",
  "libc.ts",
  "limits.ts",
  "clock.ts",
  "decision.ts",
  "version.ts",
  "self.ts",
  "deferred.ts",
  "steering_variable.ts",
]);
const ENTRIES = new Set([
  "main.ts",
  "sdk.ts",
  "caller.ts",
  "manifest.ts",
  "program.ts",
  "helper_processes.ts",
  "verbs.ts",
  "daemon_verbs.ts",
  "daemon_service_verbs.ts",
  "doctor_verbs.ts",
  "small_heap.ts",
  "workflow_verbs.ts",
]);
const NAMELESS = new Set([
  "utils",
  "util",
  "helpers",
  "helper",
  "common",
  "types",
  "misc",
  "index",
]);

/** The unit a path belongs to; undefined when the layers have no place for it. */
export function unitOf(path: string): Unit | undefined {
  const [root, first = "", second, ...deeper] = path.split("/");
  if (root !== "src") return undefined;
  if (second === undefined) {
    if (GROUND.has(first)) return { name: "the ground files", layer: 0 };
    if (first === "builtin.ts") return { name: "builtin.ts", layer: 6 };
    return ENTRIES.has(first) ? { name: "the entries", layer: 7 } : undefined;
  }
  if (first === "capabilities")
    return deeper.length > 0 ? { name: `capabilities/${second}`, layer: 5 } : undefined;
  // Parts of an entry: sdk.ts is what others import.
  if (first === "sdk") return { name: "the entries", layer: 7 };
  const layer = Object.hasOwn(FOLDER_LAYERS, first) ? FOLDER_LAYERS[first] : undefined;
  return layer === undefined ? undefined : { name: first, layer };
}

/** What the sources are checked against. */
export interface Surroundings {
  /** Names that may be imported from npm. */
  readonly packages: readonly string[];
  /** Ids of all operations (`fs.read`), which no surface may name. */
  readonly operations: readonly string[];
}

/** Everything about `sources` that breaks a rule. */
export function checkArchitecture(sources: Sources, around: Surroundings): Violation[] {
  const files = [...sources].filter(([path]) => !isTestOnly(path));
  const scanned = files.map(([path, text]) => ({ path, ...importsOf(path, text) }));
  const edges = new Map<string, readonly string[]>();
  const violations = scanned.flatMap((file) => {
    const local = file.imports.filter(({ specifier }) => specifier.startsWith("."));
    const targets = local.map(({ specifier }) => join(dirname(file.path), specifier));
    edges.set(file.path, targets);
    return [
      ...checkPlace(file.path),
      ...local.flatMap((found) => checkLocal(file.path, { found, sources })),
      ...checkPackages(file, around.packages),
      ...checkNames(file, around.operations),
      ...checkFacts(file),
    ];
  });
  return [...violations, ...findCycles(edges)];
}

/** Tests and what only they use: free to import what they need. */
export function isTestOnly(path: string): boolean {
  return path.endsWith(".test.ts") || path.endsWith(".fixture.ts");
}

/** A violation as one line for people. */
export function describeViolation({ rule, path, line, message }: Violation): string {
  return `${path}${line > 0 ? `:${line}` : ""} ${rule}: ${message}`;
}

function checkPlace(path: string): Violation[] {
  const name = path.split("/").at(-1)!.replace(/\.ts$/, "");
  const found: Violation[] = [];
  if (!unitOf(path))
    found.push({ rule: "homeless", path, line: 0, message: "no layer has a place for this file" });
  if (NAMELESS.has(name))
    found.push({ rule: "name", path, line: 0, message: `"${name}" does not say what is in it` });
  return found;
}

function checkLocal(
  path: string,
  { found, sources }: { found: Import; sources: Sources },
): Violation[] {
  const target = join(dirname(path), found.specifier);
  const at = { path, line: found.line };
  if (target === "package.json" && path === "src/version.ts") return [];
  if (!target.startsWith("src/"))
    return [{ rule: "outside", ...at, message: `${target} is not part of the program` }];
  if (!sources.has(target))
    return [{ rule: "unresolved", ...at, message: `there is no file ${target}` }];
  if (isTestOnly(target))
    return [{ rule: "test-only", ...at, message: `${target} is there for tests alone` }];
  const from = unitOf(path);
  const to = unitOf(target);
  if (!from || !to || from.name === to.name || to.layer < from.layer) return [];
  const rule = to.layer === from.layer ? "sideways" : "up";
  const message = `${from.name} (layer ${from.layer}) imports ${to.name} (layer ${to.layer}): ${target}`;
  return [{ rule, ...at, message }];
}

function checkPackages(
  { path, imports }: { path: string; imports: readonly Import[] },
  packages: readonly string[],
): Violation[] {
  return imports.flatMap(({ specifier, line }) => {
    if (specifier.startsWith(".")) return [];
    if (specifier.startsWith("node:") || /^bun(:|$)/.test(specifier)) return [];
    const parts = specifier.split("/");
    const name = specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]!;
    if (packages.includes(name)) return [];
    const message = `${name} is not among package.json's dependencies`;
    return [{ rule: "undeclared" as const, path, line, message }];
  });
}

function checkNames(
  { path, texts }: SourceFacts & { path: string },
  operations: readonly string[],
): Violation[] {
  if (!path.startsWith("src/surface/")) return [];
  const named = texts.filter(({ text }) => operations.includes(text));
  return named.map(({ text, line }) => {
    const message = `a surface knows no operation by name, but this names ${text}`;
    return { rule: "named-operation" as const, path, line, message };
  });
}

function checkFacts({ path, ...facts }: SourceFacts & { path: string }): Violation[] {
  const at = (rule: Violation["rule"], message: string) => (line: number) => ({
    rule,
    path,
    line,
    message,
  });
  const found = [
    ...facts.unseen_lines.map(at("unseen", "what this imports cannot be told from the source")),
    ...facts.export_all_lines.map(at("export-all", "name what is exported")),
  ];
  if (path !== "src/main.ts")
    found.push(...facts.entry_lines.map(at("entry-only", "only main.ts reads argv and exits")));
  if (!/^src\/capabilities\/[^/]+\/(schema|policy)\.ts$/.test(path)) return found;
  const impure = facts.imports.filter(({ specifier }) => /^(node:|bun(:|$))/.test(specifier));
  found.push(...impure.map(({ line }) => at("impure", "describes, and does no I/O")(line)));
  found.push(...facts.runtime_lines.map(at("impure", "describes, and does no I/O")));
  return found;
}

/** Each cycle once, told by the file in it that sorts first. */
function findCycles(edges: ReadonlyMap<string, readonly string[]>): Violation[] {
  const found = new Map<string, Violation>();
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string) => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const cycle = trail.slice(start);
      const [first = path] = cycle.toSorted();
      const turn = cycle.indexOf(first);
      const ordered = [...cycle.slice(turn), ...cycle.slice(0, turn), first];
      const message = ordered.join(" -> ");
      found.set(message, { rule: "cycle", path: first, line: 0, message });
      return;
    }
    if (finished.has(path)) return;
    trail.push(path);
    for (const next of edges.get(path) ?? []) visit(next);
    trail.pop();
    finished.add(path);
  };
  for (const path of edges.keys()) visit(path);
  return [...found.values()];
}
