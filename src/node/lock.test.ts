import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockHome } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-lock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

test("lockHome() knows nobody that crashed after an orderly end", () => {
  lockHome(path("orderly"))[Symbol.dispose]();
  using lock = lockHome(path("orderly"));
  expect(lock.crashed_pids).toEqual([]);
});

test("attack 36: lockHome() names all that were killed, until they have been cleaned up after", () => {
  writeFileSync(path("crashed"), "4711\n");
  const read = () => readFileSync(path("crashed"), "utf8");
  using lock = lockHome(path("crashed"));
  expect(lock.crashed_pids).toEqual([4711]);
  // What the next one would find, were this one killed now.
  expect(read()).toBe(`4711\n${process.pid}\n`);
  lock.forgetCrashed();
  expect(read()).toBe(`${process.pid}\n`);
});

test("lockHome() refuses a second holder and names the first", () => {
  using _lock = lockHome(path("twice"));
  expect(() => lockHome(path("twice"))).toThrow(`process ${process.pid}`);
});

test("lockHome() takes nothing for a process id that is none", () => {
  writeFileSync(path("odd"), "0\n-1\n../../x\n99999999999\n12 34\n");
  using lock = lockHome(path("odd"));
  expect(lock.crashed_pids).toEqual([]);
});
