import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import { lockHome } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-lock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const lock = (name: string) => lockHome(path(name), systemClock);
/** No process has this id: it is beyond what Linux gives. */
const DEAD = 2 ** 22 + 1;

test("lockHome() knows nobody that crashed after an orderly end", async () => {
  (await lock("orderly"))[Symbol.dispose]();
  using again = await lock("orderly");
  expect(again.crashed_pids).toEqual([]);
});

test("attack 36: lockHome() names all that were killed, until they have been cleaned up after", async () => {
  writeFileSync(path("crashed"), "4711\n");
  const read = () => readFileSync(path("crashed"), "utf8");
  using held = await lock("crashed");
  expect(held.crashed_pids).toEqual([4711]);
  // What the next one would find, were this one killed now.
  expect(read()).toBe(`4711\n${process.pid}\n`);
  held.forgetCrashed();
  expect(read()).toBe(`${process.pid}\n`);
});

test("lockHome() refuses a second holder at once and names the first", async () => {
  using _held = await lock("twice");
  const startMs = performance.now();
  expect(lock("twice")).rejects.toThrow(`process ${process.pid}`);
  await lock("twice").catch(() => {});
  expect(performance.now() - startMs).toBeLessThan(500);
});

test("attack 36: lockHome() waits for what a killed holder was just starting to let go", async () => {
  writeFileSync(path("dying"), `${DEAD}\n`);
  const holder = Bun.spawn(["flock", path("dying"), "sh", "-c", "echo locked; read line"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  await holder.stdout.getReader().read();
  const waiting = lock("dying");
  setTimeout(() => holder.stdin.end(), 30);
  using mine = await waiting;
  expect(mine.crashed_pids).toEqual([DEAD]);
});

test("lockHome() takes nothing for a process id that is none", async () => {
  writeFileSync(path("odd"), "0\n-1\n../../x\n99999999999\n12 34\n");
  using held = await lock("odd");
  expect(held.crashed_pids).toEqual([]);
});
