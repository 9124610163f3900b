// Runs what README.md shows in a home of its own, from the quick start on; and looks up what the documents name.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { blocksOf, promisedLines, root, runBlocks, type Session } from "./harness/document.ts";
import { commandLinesIn, missingFiles, unknownCommandLines } from "./harness/document_names.ts";

const blocks = blocksOf(readFileSync(join(root, "README.md"), "utf8"));
let folder: string;
let session: Session;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "operon-readme-"));
  session = await runSession();
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the README's commands", () => {
  test("end well", () => {
    expect(session.code, session.output).toBe(0);
  });

  test("print what the README says they print", () => {
    const lines = promisedLines(blocks, session);
    expect(lines.length).toBeGreaterThan(8);
    expect(lines.filter(({ isPrinted }) => !isPrinted)).toEqual([]);
  });

  test("leave the key and the log to their owner alone", () => {
    for (const name of ["", "key", "config.yaml", "audit"])
      expect(statSync(join(folder, "home", ".operon", name)).mode & 0o077).toBe(0);
  });
});

describe.each(["README.md", "CONTRIBUTING.md"])("%s names", (name) => {
  const text = readFileSync(join(root, name), "utf8");

  test("commands and flags that exist", () => {
    expect(unknownCommandLines(text)).toEqual([]);
  });

  test("files that exist", () => {
    expect(missingFiles(text)).toEqual([]);
  });
});

test("the README's commands are found in its text", () => {
  const text = readFileSync(join(root, "README.md"), "utf8");
  expect(commandLinesIn(text).length).toBeGreaterThan(15);
});

/** The session's folder holds links to the clone's own files; what it writes lands beside them. */
function runSession(): Promise<Session> {
  const clone = join(folder, "clone");
  const home = join(folder, "home");
  mkdirSync(clone);
  mkdirSync(home);
  for (const name of readdirSync(root)) symlinkSync(join(root, name), join(clone, name));
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return runBlocks(blocks, { cwd: clone, env: { PATH: path, HOME: home } });
}
