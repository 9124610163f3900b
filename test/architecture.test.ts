// The shape of the source, checked; and the checker checked on sources that break each rule.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { builtin } from "../src/builtin.ts";
import {
  checkArchitecture,
  describeViolation,
  isTestOnly,
  unitOf,
} from "./harness/architecture.ts";
import { importsOf } from "./harness/import_scan.ts";

const root = dirname(import.meta.dir);
const read = (path: string) => readFileSync(join(root, path), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const sources = new Map(
  readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|c|bash|zsh|fish|ps1)$/.test(name))
    .map((name) => `src/${name.replaceAll("\\", "/")}`)
    .map((path) => [path, read(path)]),
);
const around = {
  packages: Object.keys(manifest.dependencies),
  operations: Object.values(builtin).flatMap(({ id, operations }) =>
    Object.keys(operations).map((name) => `${id}.${name}`),
  ),
};

describe("the source", () => {
  test("keeps every rule of the architecture", () => {
    expect(checkArchitecture(sources, around).map(describeViolation)).toEqual([]);
  }, 60_000);

  test("lists every capability's folder in builtin.ts", () => {
    const folders = readdirSync(join(root, "src", "capabilities"), { withFileTypes: true });
    const ids = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    expect(Object.keys(builtin).toSorted()).toEqual(ids.toSorted());
    for (const [id, capability] of Object.entries(builtin)) expect(capability.id).toBe(id as never);
  });

  test("has a schema, handlers and a capability in every capability's folder", () => {
    for (const id of Object.keys(builtin))
      for (const name of ["schema.ts", "handler.ts", "capability.ts"])
        expect(sources.has(`src/capabilities/${id}/${name}`)).toBe(true);
  });

  test("imports every dependency of package.json somewhere", () => {
    const imported = new Set(
      [...sources].flatMap(([path, text]) =>
        importsOf(path, text).imports.map(({ specifier }) => specifier),
      ),
    );
    expect(around.packages.filter((name) => !imported.has(name))).toEqual([]);
  });

  test("loads no heavy library to start the executable", () => {
    const isOwn = (name: string) => /^(src\/|node:|package\.json$)/.test(name);
    const heavy = (entry: string) => [...startUpImports(entry)].filter((name) => !isOwn(name));
    expect(heavy("src/main.ts")).toEqual([]);
    expect(heavy("src/program.ts")).toEqual(["cac"]);
  });

  test("holds no module of more than 700 lines", () => {
    const long = [...sources]
      .filter(([path]) => !isTestOnly(path))
      .map(([path, text]) => `${path}: ${text.split("\n").length} lines`)
      .filter((line) => Number(line.match(/: (\d+)/)![1]) > 700);
    expect(long).toEqual([]);
  });
});

describe("the checker", () => {
  test.each([
    ["import", 'import { a } from "../audit/log.ts";'],
    ["import of nothing", 'import "../audit/log.ts";'],
    ["import type", 'import type { A } from "../audit/log.ts";'],
    ["inline type import", 'import { type A } from "../audit/log.ts";'],
    ["namespace import", 'import * as log from "../audit/log.ts";'],
    ["export from", 'export { a } from "../audit/log.ts";'],
    ["export type from", 'export type { A } from "../audit/log.ts";'],
    ["import as a type", 'export type A = import("../audit/log.ts").A;'],
    ["typeof import", 'export type A = typeof import("../audit/log.ts");'],
    ["dynamic import", 'export const a = () => import("../audit/log.ts");'],
    ["dynamic import in backquotes", "export const a = () => import(`../audit/log.ts`);"],
    ["require", 'export const a = require("../audit/log.ts");'],
    ["import assignment", 'import a = require("../audit/log.ts");'],
  ])("sees a sideways %s", (_name, text) => {
    expect(rules({ "src/policy/decide.ts": text, "src/audit/log.ts": "" })).toEqual(["sideways"]);
  });

  test.each([
    ["ground to identity", "src/error.ts", "./identity/key.ts", "src/identity/key.ts"],
    ["wire to policy", "src/wire/frame.ts", "../policy/decide.ts", "src/policy/decide.ts"],
    ["audit to contract", "src/audit/log.ts", "../contract/caller.ts", "src/contract/caller.ts"],
    ["contract to node", "src/contract/caller.ts", "../node/node.ts", "src/node/node.ts"],
    [
      "a capability to builtin.ts",
      "src/capabilities/fs/a.ts",
      "../../builtin.ts",
      "src/builtin.ts",
    ],
    ["builtin.ts to an entry", "src/builtin.ts", "./sdk.ts", "src/sdk.ts"],
  ])("refuses an import up from %s", (_name, path, specifier, target) => {
    expect(rules({ [path]: `import type { A } from "${specifier}";`, [target]: "" })).toEqual([
      "up",
    ]);
  });

  test.each([
    [
      "one capability to another",
      "src/capabilities/fs/a.ts",
      "../exec/b.ts",
      "src/capabilities/exec/b.ts",
    ],
    ["a capability to node/", "src/capabilities/fs/a.ts", "../../node/b.ts", "src/node/b.ts"],
    [
      "node/ to a capability",
      "src/node/a.ts",
      "../capabilities/fs/b.ts",
      "src/capabilities/fs/b.ts",
    ],
    ["a surface to node/", "src/surface/cli/a.ts", "../../node/b.ts", "src/node/b.ts"],
    ["workflow/ to a surface", "src/workflow/a.ts", "../surface/cli/b.ts", "src/surface/cli/b.ts"],
    ["contract/ to config/", "src/contract/a.ts", "../config/b.ts", "src/config/b.ts"],
  ])("refuses a sideways import from %s", (_name, path, specifier, target) => {
    expect(rules({ [path]: `import type { A } from "${specifier}";`, [target]: "" })).toEqual([
      "sideways",
    ]);
  });

  test("accepts imports down and within a folder", () => {
    const found = rules({
      "src/main.ts": 'import "./verbs.ts"; const code = process.argv.length; process.exit(code);',
      "src/verbs.ts": 'import { a } from "./builtin.ts"; const b = () => import("./node/node.ts");',
      "src/builtin.ts": 'import { a } from "./capabilities/fs/capability.ts";',
      "src/capabilities/fs/capability.ts": 'import { a } from "./deep/a.ts";',
      "src/capabilities/fs/deep/a.ts": 'import "../../../policy/a.ts"; import { z } from "zod";',
      "src/node/node.ts": 'import "node:fs"; import "../error.ts"; import "./mounts/a.ts";',
      "src/node/mounts/a.ts": "",
      "src/policy/a.ts": "",
      "src/error.ts": "",
    });
    expect(found).toEqual([]);
  });

  test("finds a cycle of three, also of types alone, and says it once", () => {
    const found = checkArchitecture(
      new Map([
        ["src/wire/b.ts", 'import type { C } from "./c.ts";'],
        ["src/wire/c.ts", 'export type A = import("./a.ts").A;'],
        ["src/wire/a.ts", 'export type { B } from "./b.ts";'],
      ]),
      around,
    );
    expect(found.map(describeViolation)).toEqual([
      "src/wire/a.ts cycle: src/wire/a.ts -> src/wire/b.ts -> src/wire/c.ts -> src/wire/a.ts",
    ]);
  });

  test("finds a file that imports itself", () => {
    expect(rules({ "src/wire/a.ts": 'import { a } from "./a.ts";' })).toEqual(["cycle"]);
  });

  test.each([
    ["a folder without a layer", "src/manager/a.ts"],
    ["a file of the root that no layer names", "src/extra.ts"],
    ["a file beside the capabilities' folders", "src/capabilities/shared.ts"],
    ["a folder called like a member of Object", "src/constructor/a.ts"],
  ])("refuses %s", (_name, path) => {
    expect(rules({ [path]: "" })).toEqual(["homeless"]);
    expect(unitOf(path)).toBeUndefined();
  });

  test.each([
    ["a file outside src", 'import "../../test/clock.ts";', "outside"],
    ["a file that is missing", 'import "./missing.ts";', "unresolved"],
    ["a path without its ending", 'import "./frame";', "unresolved"],
    ["a test's fixture", 'import "./a.fixture.ts";', "test-only"],
    ["a package that is not declared", 'import type { A } from "left-pad";', "undeclared"],
    ["a package's path that is not declared", 'import "@scope/name/deep";', "undeclared"],
    ["a computed import", "export const a = (b: string) => import(b);", "unseen"],
    ["a computed require", "export const a = (b: string) => require(b);", "unseen"],
    ["a require under another name", "export const a = require;", "unseen"],
    ["package.json outside version.ts", 'import "../../package.json";', "outside"],
    ["an export of everything", 'export * from "./frame.ts";', "export-all"],
    ["argv outside main.ts", "export const a = process.argv;", "entry-only"],
    ["an exit outside main.ts", "export const a = () => process.exit(1);", "entry-only"],
  ])("refuses %s", (_name, text, rule) => {
    const found = rules({
      "src/wire/a.ts": text,
      "src/wire/frame.ts": "",
      "src/wire/a.fixture.ts": "",
    });
    expect(found).toEqual([rule]);
  });

  test.each([
    ["node:fs", 'import "node:fs";'],
    ["a type of node:fs", 'import type { Stats } from "node:fs";'],
    ["bun:ffi", 'import "bun:ffi";'],
    ["Bun", "export const a = Bun.version;"],
    ["process", "export const a = process.env;"],
    ["fetch", 'export const a = () => fetch("x");'],
  ])("refuses %s in a schema.ts or policy.ts of a capability, and only there", (_name, text) => {
    expect(rules({ "src/capabilities/fs/schema.ts": text })).toEqual(["impure"]);
    expect(rules({ "src/capabilities/fs/policy.ts": text })).toEqual(["impure"]);
    expect(rules({ "src/capabilities/fs/handler.ts": text })).toEqual([]);
  });

  test("does not take a member or a key for a global", () => {
    const text = "export const a = { process: 1, fetch: 2 }; export const b = a.process + a.fetch;";
    expect(rules({ "src/capabilities/fs/schema.ts": text })).toEqual([]);
  });

  test("refuses an operation's id in a surface, and only there", () => {
    const text = 'export const a = "fs.read";';
    expect(rules({ "src/surface/cli/a.ts": text })).toEqual(["named-operation"]);
    expect(rules({ "src/workflow/a.ts": text })).toEqual([]);
  });

  test.each(["utils", "helpers", "common", "types", "index"])("refuses a file named %s", (name) => {
    expect(rules({ [`src/wire/${name}.ts`]: "" })).toEqual(["name"]);
  });

  test("leaves tests and fixtures alone", () => {
    const text = 'import { a } from "../node/node.ts"; process.exit(1);';
    expect(rules({ "src/wire/a.test.ts": text, "src/wire/a.fixture.ts": text })).toEqual([]);
  });
});

function rules(files: Record<string, string>): string[] {
  return checkArchitecture(new Map(Object.entries(files)), around).map(({ rule }) => rule);
}

/** Everything that is loaded, at any depth, before the first line of `entry` runs. */
function startUpImports(entry: string): Set<string> {
  const loaded = new Set<string>();
  const visit = (path: string) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    const text = sources.get(path);
    if (text === undefined) return;
    for (const { specifier, is_type, is_dynamic } of importsOf(path, text).imports)
      if (!is_type && !is_dynamic)
        visit(specifier.startsWith(".") ? join(dirname(path), specifier) : specifier);
  };
  visit(entry);
  return loaded;
}
