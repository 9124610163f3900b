import { expect, test } from "bun:test";
import { fakeCaller, resourceOf } from "../../../test/fake_call.ts";
import type { TraceDocument } from "../../trace/document.ts";
import { traceCapability } from "./capability.ts";

const trace: TraceDocument = {
  version: 1,
  trace_id: "a".repeat(32),
  run_id: "run",
  name: "deploy",
  status: "error",
  start: "2026-01-01T00:00:00.000Z",
  duration_ms: 12.5,
  spans: [
    {
      span_id: "b".repeat(16),
      name: "build",
      operation: "exec.run",
      start: "2026-01-01T00:00:00.000Z",
      duration_ms: 3,
      status: "error",
      logs: { stdout: { encoding: "utf8", tail: "x", bytes: 1, truncated: false } },
      decision: { verdict: "deny", reason: "no-matching-rule" },
      error: { code: "policy.denied", kind: "permission_denied", message: "No" },
    },
  ],
};

test("trace.show reads a kept trace, or the text of a file", async () => {
  const read = async () => trace;
  const call = fakeCaller(traceCapability, { services: { traces: { read } } });
  expect((await call("show", { trace: trace.trace_id })).output).toEqual(trace as never);
  const text = JSON.stringify(trace);
  expect((await call("show", { document: text })).output).toEqual(trace as never);
});

test("trace.show refuses a document that is no trace", async () => {
  const call = fakeCaller(traceCapability, { services: { traces: {} } });
  for (const document of [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"version":2}',
    `${JSON.stringify(trace)} `.repeat(2),
  ]) {
    expect(call("show", { document })).rejects.toMatchObject({ code: "trace.malformed" });
  }
  const secretive = JSON.stringify({ ...trace, extra: 1 });
  expect(call("show", { document: secretive })).rejects.toMatchObject({ code: "trace.malformed" });
});

test("trace.show takes exactly one of a trace and a document", () => {
  const { show } = traceCapability.operations;
  expect(show.input.safeParse({}).success).toBeFalse();
  expect(show.input.safeParse({ trace: "a", document: "{}" }).success).toBeFalse();
});

test("trace.list passes its limit on", async () => {
  const asked: number[] = [];
  const list = async (limit: number) => {
    asked.push(limit);
    return [];
  };
  const call = fakeCaller(traceCapability, { services: { traces: { list } } });
  expect((await call("list", { limit: 7 })).output).toEqual({ traces: [] });
  expect(asked).toEqual([7]);
  expect(resourceOf(traceCapability, "list")).toBe("trace:*");
});
