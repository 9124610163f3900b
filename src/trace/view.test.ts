import { describe, expect, test } from "bun:test";
import type { Span, TraceDocument } from "./document.ts";
import { renderTrace } from "./view.ts";

const START = Date.UTC(2026, 0, 31, 8);

function span(name: string, more: Partial<Span> = {}): Span {
  return {
    span_id: name,
    parent_span_id: "root",
    name,
    node: "gpu-node",
    operation: "exec.run",
    start: new Date(START).toISOString(),
    duration_ms: 500,
    status: "ok",
    decision: { verdict: "allow", reason: "allowed" },
    ...more,
  };
}

function trace(spans: readonly Span[], more: Partial<TraceDocument> = {}): TraceDocument {
  const start = new Date(START).toISOString();
  const root: Span = { span_id: "root", name: "deploy", start, duration_ms: 1000, status: "ok" };
  return {
    version: 1,
    trace_id: "ab".repeat(16),
    run_id: "0123456789abcdef",
    name: "deploy",
    status: "ok",
    start,
    duration_ms: 1000,
    spans: [root, ...spans],
    ...more,
  };
}

describe("renderTrace()", () => {
  test("shows steps with node, operation, verdict, duration and when they ran", () => {
    const later = new Date(START + 500).toISOString();
    const text = renderTrace(trace([span("build"), span("test", { start: later })]), 100);
    expect(text.split("\n")).toEqual([
      "✓ deploy  1.00 s",
      `  trace ${"ab".repeat(16)}`,
      "  run 0123456789abcdef  2026-01-31T08:00:00.000Z",
      `✓ build  gpu-node  exec.run  allow  500 ms  ${"█".repeat(15)}`,
      `✓ test   gpu-node  exec.run  allow  500 ms  ${" ".repeat(15)}${"█".repeat(15)}`,
    ]);
  });

  test("shows errors, refusals, skipped steps and the end of stderr", () => {
    const failed = span("build", {
      status: "error",
      decision: { verdict: "deny", reason: "denied-by-rule" },
      error: { code: "policy.denied", kind: "permission_denied", message: "No", hint: "Ask" },
      logs: { stderr: { encoding: "utf8", tail: "one\ntwo\n", bytes: 8, truncated: false } },
    });
    const text = renderTrace(
      trace([failed, span("test", { status: "skipped", duration_ms: 0 })], { status: "error" }),
      100,
    );
    expect(text).toContain("✗ build  gpu-node  exec.run  deny (denied-by-rule)  500 ms");
    expect(text).toContain("    policy.denied: No\n    Ask\n    | one\n    | two\n");
    expect(text).toContain("- test ");
    expect(text).toContain("skipped");
  });

  test("shows spans below spans, and survives loops and unknown parents", () => {
    const spans = [
      span("a"),
      span("b", { parent_span_id: "a" }),
      span("loop 1", { parent_span_id: "loop 2" }),
      span("loop 2", { parent_span_id: "loop 1" }),
      span("orphan", { parent_span_id: "nobody" }),
    ];
    const text = renderTrace(trace(spans), 100);
    expect(text).toContain("\n✓ a ");
    expect(text).toContain("\n  ✓ b ");
    for (const name of ["loop 1", "loop 2", "orphan"]) expect(text).toContain(`✓ ${name}`);
  });

  test.each([1, 40, 60, 80, 200, Number.NaN])("is never wider than %d columns, or 40", (width) => {
    const wide = "名前😀".repeat(40);
    const error = { code: "x", kind: "unknown", message: wide } as const;
    const text = renderTrace(
      trace([span(wide, { node: wide, operation: wide, error }), span("b")], { name: wide }),
      width,
    );
    for (const line of text.split("\n")) {
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(Math.max(40, width || 40));
    }
  });

  test("attack 27: terminal escapes in names, nodes, errors and output are shown, not obeyed", () => {
    const evil = "\u001b]0;x\u0007\u001b[2J\r\n\u009b2J\u202e\u2028\u200b";
    const text = renderTrace(
      trace(
        [
          span(evil, {
            node: evil,
            operation: evil,
            decision: { verdict: "deny", reason: evil },
            error: { code: evil, kind: "unknown", message: evil, hint: evil },
            logs: { stderr: { encoding: "utf8", tail: evil, bytes: 9, truncated: false } },
          }),
        ],
        { name: evil, run_id: evil, start: evil },
      ),
      200,
    );
    expect(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text.replaceAll("\n", ""))).toBe(false);
    expect(text).toContain("\\u{1b}");
  });
});
