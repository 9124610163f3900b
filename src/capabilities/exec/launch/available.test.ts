import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bench } from "../exec.fixture.ts";
import { availableConfinement } from "./available.ts";

test("availableConfinement() says what the results of commands say", async () => {
  const own = [mkdtempSync(join(tmpdir(), "operon-own-"))];
  const found = availableConfinement({ own });
  const limits = { memory_bytes: 1024 ** 3, pids: 100 };
  using bench = new Bench({ roots: ["/"], limits }, own);
  const { output } = await bench.run({ command: "true" });
  rmSync(own[0]!, { recursive: true });
  expect(found.protection).toBe(output.protection);
  const controllers = found.groups.flatMap((group) => group.controllers);
  const { memory_bytes, pids } = output.limits_enforced;
  expect([controllers.includes("memory"), controllers.includes("pids")]).toEqual([
    memory_bytes === "cgroup",
    pids === "cgroup",
  ]);
});

test("availableConfinement() answers for a home that is not there, as for any other", () => {
  const there = availableConfinement({ own: [tmpdir()] });
  expect(availableConfinement({ own: ["/no/such/home"] })).toEqual(there);
});

test("availableConfinement() finds no groups of a process that is gone", () => {
  expect(availableConfinement({ own: [], pid: 2 ** 30 }).groups).toEqual([]);
});
