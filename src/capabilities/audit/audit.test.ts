import { expect, test } from "bun:test";
import { fakeCaller } from "../../../test/fake_call.ts";
import type { AuditEntry, AuditFilter } from "../../audit/entry.ts";
import { auditCapability } from "./capability.ts";

const entry = (sequence: number): AuditEntry => ({
  sequence,
  time: "2026-01-01T00:00:00.000Z",
  prev: "0".repeat(64),
  event: "decided",
  operation: "exec.run",
  resources: ["exec:default"],
  facts: { argv: ["/usr/bin/make"] },
  decision: { verdict: "allow", reason: "allowed", rule: { role: "operator", index: 0 } },
  request: {
    ...{ digest: "aa", batch: "bb", time_ms: 1, count: 1, index: 0, root: "cc" },
    ...{ path: ["dd"], signature: "ee" },
  },
});

function caller(asked: AuditFilter[] = [], count = 3) {
  const query = async function* (filter: AuditFilter) {
    asked.push(filter);
    for (let n = filter.from_sequence ?? 0; n < count; n++) yield entry(n);
  };
  return fakeCaller(auditCapability, { services: { audit: { query } } });
}

test("audit.list streams entries and hands its filters to the log", async () => {
  const asked: AuditFilter[] = [];
  const { values, output } = await caller(asked)("list", { allowed: false, capability: "fs" });
  expect(values).toEqual([entry(0), entry(1), entry(2)]);
  expect(output).toEqual({ entries: 3 });
  expect(asked).toEqual([{ allowed: false, capability: "fs", limit: 50 }]);
});

test("audit.show streams one entry by number, or those that match", async () => {
  expect((await caller()("show", { sequence: 1 })).values).toEqual([entry(1)]);
  const asked: AuditFilter[] = [];
  expect((await caller(asked)("show", { limit: 5, resource: "exec" })).values).toHaveLength(3);
  expect(asked).toEqual([{ limit: 5, resource: "exec" }]);
});

test("audit.show reports a number no entry has", async () => {
  expect(caller()("show", { sequence: 3 })).rejects.toMatchObject({ code: "audit.missing" });
  expect(caller([], 0)("show", { sequence: 0 })).rejects.toMatchObject({ code: "audit.missing" });
});

test("audit.list stops when its call is cancelled", async () => {
  const stop = new AbortController();
  let served = 0;
  const query = async function* () {
    for (;;) {
      if (++served === 5) stop.abort(new Error("cancelled"));
      yield entry(served);
    }
  };
  const options = { services: { audit: { query } }, signal: stop.signal };
  expect(fakeCaller(auditCapability, options)("list")).rejects.toThrow("cancelled");
  expect(served).toBeLessThan(10);
});

test("audit.verify names problems and exits with 1 when there are any", async () => {
  const report = { ok: true, entries: 9, checkpoints: 1, last: undefined, problems: [] };
  const verify = async () => report;
  const call = fakeCaller(auditCapability, { services: { audit: { verify } } });
  expect((await call("verify")).output).toMatchObject({ ok: true, exit_code: 0 });
  const problem = { kind: "edited" as const, sequence: 4, line: 5, message: "Entry 4 was edited" };
  const bad = async () => ({ ...report, ok: false, problems: [problem] });
  const failing = fakeCaller(auditCapability, { services: { audit: { verify: bad } } });
  expect((await failing("verify")).output).toMatchObject({ exit_code: 1, problems: [problem] });
});

test("audit filters refuse moments, limits and events that are none", () => {
  const { list } = auditCapability.operations;
  for (const wrong of [
    { since: "yesterday" },
    { limit: 0 },
    { limit: 1e9 },
    { event: "deleted" },
    { allowed: "true" },
    { sequence: 1 },
  ]) {
    expect(list.input.safeParse(wrong).success).toBeFalse();
  }
});
