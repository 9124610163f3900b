import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HISTORY_LINES_MAX, History } from "./history.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-history-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("lines are kept for the next shell, in a file for its owner alone", () => {
  const path = join(folder, "a");
  const history = new History(path);
  for (const line of ["ls", "ls", "", " secret", "pwd", "two\nlines"]) history.add(line);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(new History(path).lines).toEqual(["ls", "pwd"]);
});

test("two shells add to one file", () => {
  const path = join(folder, "b");
  const [one, two] = [new History(path), new History(path)];
  one.add("first");
  two.add("second");
  expect(new History(path).lines).toEqual(["first", "second"]);
});

test("a file that others could read is closed to them", () => {
  const path = join(folder, "c");
  writeFileSync(path, "ls\n");
  chmodSync(path, 0o644);
  expect(new History(path).lines).toEqual(["ls"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("only the last lines are kept, and a file that has grown is cut", () => {
  const path = join(folder, "d");
  const line = "x".repeat(1_000);
  writeFileSync(path, `${line}\n`.repeat(HISTORY_LINES_MAX * 2), { mode: 0o600 });
  expect(new History(path).lines).toHaveLength(HISTORY_LINES_MAX);
  expect(readFileSync(path, "utf8").length).toBe(HISTORY_LINES_MAX * 1_001);
});

test("attack 14: a link in its place is not followed", () => {
  const target = join(folder, "target");
  writeFileSync(target, "precious");
  symlinkSync(target, join(folder, "link"));
  const history = new History(join(folder, "link"));
  history.add("ls");
  expect(history.failure).toBe("ELOOP");
  expect(history.lines).toEqual(["ls"]);
  expect(readFileSync(target, "utf8")).toBe("precious");
});

test("attack 18: a folder or a pipe in its place holds nothing up", () => {
  expect(new History(folder).failure).toBe("EISDIR");
  Bun.spawnSync(["mkfifo", join(folder, "pipe")]);
  expect(new History(join(folder, "pipe")).failure).toBe("it is no file");
});

test("a home that is not there is not made", () => {
  expect(new History(join(folder, "none", "history")).failure).toBe("");
});
