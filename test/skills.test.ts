// Runs what the skills show, each document on two nodes of its own: `local`, whose owner calls, and `gpu`, where policy gives
// the caller a role as skills describe it. Nothing in a skill is there to look at only: each of its blocks runs or is a promise.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ERROR_KINDS, type ErrorKind, OperonError } from "../src/error.ts";
import { blocksOf, promisedLines, root, type Session } from "./harness/document.ts";
import { missingFiles, unknownCommandLines, unknownDottedNames } from "./harness/document_names.ts";
import { SkillSite } from "./harness/skill_site.ts";

const folder = join(root, "skills");
const names = readdirSync(folder).sort();
const documents = names.flatMap((name) =>
  [...new Bun.Glob("**/*.md").scanSync(join(folder, name))].map((path) => join(name, path)).sort(),
);
const textOf = (path: string) => readFileSync(join(folder, path), "utf8");

test("skills/ holds the skills the README names", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test("what does not exist is told from what does", () => {
  const good =
    "`operon fs read NODE:/PATH --offset-bytes 3` `fs.read` `fs.missing` `daemon.listen`";
  const bad =
    "`operon fs raed` `operon fs read a:/b --ofset 3` `fs.raed` [more](references/none.md)";
  expect(unknownCommandLines(good + bad)).toEqual(["fs raed", "fs read a:/b --ofset 3"]);
  expect(unknownDottedNames(good + bad)).toEqual(["fs.raed"]);
  expect(missingFiles(good + bad)).toEqual([join(root, "references/none.md")]);
});

test("operon-core names every exit code as it is", () => {
  const rows = [...textOf("operon-core/SKILL.md").matchAll(/^\| ([\d, ]+) \| (`.+?`) \|/gm)];
  const pairs = rows.flatMap(([, codes, kinds]) => {
    const named = kinds!.split(", ").map((kind) => kind.slice(1, -1) as ErrorKind);
    return codes!.split(", ").map((code, index) => [named[index]!, Number(code)] as const);
  });
  const exitCodeOf = (kind: ErrorKind) =>
    new OperonError({ code: "a.b", kind, message: "" }).exitCode;
  expect(pairs.map(([kind]) => [kind, exitCodeOf(kind)])).toEqual(pairs as never);
  expect(pairs.map(([kind]) => kind).sort()).toEqual([...ERROR_KINDS].sort());
});

describe.each(names)("the skill %s", (name) => {
  const text = textOf(join(name, "SKILL.md"));
  const [, head = ""] = /^---\n(.*?)\n---\n/s.exec(text) ?? [];
  const { name: title, description, ...more } = Bun.YAML.parse(head) as Record<string, string>;

  test("is called like its folder, and says briefly when to use it", () => {
    expect(title).toBe(name);
    expect(name).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
    expect(name.length).toBeLessThanOrEqual(64);
    expect(description).toMatch(/\bUse (?:it )?(?:when|to|for|before)\b/);
    expect(description!.length).toBeLessThanOrEqual(1024);
    expect(Object.keys(more)).toEqual([]);
  });

  test("is short enough to be read whole", () => {
    expect(text.split("\n").length).toBeLessThan(250);
  });
});

describe.each(documents)("%s", (path) => {
  const text = textOf(path);
  const blocks = blocksOf(text);
  let site: SkillSite;
  let session: Session;

  beforeAll(async () => {
    site = await SkillSite.open();
    session = await site.run(blocks);
  }, 120_000);
  afterAll(() => site[Symbol.asyncDispose]());

  test("shows commands that end well", () => {
    expect(session.code, session.output).toBe(0);
  });

  test("promises what they print", () => {
    const lines = promisedLines(blocks, session);
    expect(lines.filter(({ isPrinted }) => !isPrinted)).toEqual([]);
  });

  test("has no block that does not run", () => {
    const languages = new Set(["sh", "yaml", "text", "json"]);
    expect(blocks.filter(({ language }) => !languages.has(language))).toEqual([]);
    expect(text.match(/^ *```/gm)?.length ?? 0).toBe(2 * blocks.length);
  });

  test("names commands, flags, operations, codes, settings and files that exist", () => {
    expect(unknownCommandLines(text)).toEqual([]);
    expect(unknownDottedNames(text)).toEqual([]);
    expect(missingFiles(text, dirname(join(folder, path)))).toEqual([]);
  });
});
