import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import { OperonError } from "../error.ts";
import {
  describeOperation,
  type FakeAnswer,
  fakeCaller,
  type SeenCall,
  text,
} from "./caller.fixture.ts";
import { planWorkflow } from "./plan.ts";
import { type RunEvent, runWorkflow } from "./runner.ts";
import { parseWorkflow } from "./schema.ts";
import { STREAM_BYTES_MAX } from "./step_streams.ts";

async function run(
  yaml: string,
  answer: (call: SeenCall) => FakeAnswer,
  options: { readonly signal?: AbortSignal; readonly clock?: ManualClock } = {},
) {
  const plan = planWorkflow(await parseWorkflow(yaml), { describe: describeOperation });
  const caller = fakeCaller(answer);
  const events: RunEvent[] = [];
  const clock = options.clock ?? new ManualClock();
  const onEvent = (event: RunEvent) => events.push(event);
  const trace = await runWorkflow(plan, {
    caller,
    describe: describeOperation,
    clock,
    onEvent,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return { trace, events, seen: caller.seen, steps: trace.spans.slice(1) };
}

const TWO_STEPS = `
name: two
steps:
  - { id: run, node: gpu, action: exec.run, command: make }
  - { id: save, node: local, action: fs.write, path: /log, content: "\${{ steps.run.stdout }}" }
`;

describe("runWorkflow()", () => {
  test("runs steps in order and puts what happened into a trace", async () => {
    const clock = new ManualClock();
    const { trace, seen, steps } = await run(
      TWO_STEPS,
      ({ operation }) => {
        clock.advance(250);
        return operation === "exec.run"
          ? { chunks: [text("built"), text("warning", 1), text("!\n")], output: { exit_code: 0 } }
          : { output: { version: "v1" } };
      },
      { clock },
    );
    expect(trace).toMatchObject({ version: 1, name: "two", status: "ok", duration_ms: 500 });
    expect(trace.spans[0]).toMatchObject({ name: "two", status: "ok" });
    expect(steps[0]).toEqual({
      span_id: steps[0]!.span_id,
      parent_span_id: trace.spans[0]!.span_id,
      name: "run",
      node: "gpu",
      node_key: "ed25519:node",
      operation: "exec.run",
      start: "2026-01-01T00:00:00.000Z",
      duration_ms: 250,
      status: "ok",
      input: { command: "make" },
      output: { exit_code: 0 },
      logs: {
        stdout: { encoding: "utf8", tail: "built!\n", bytes: 7, truncated: false },
        stderr: { encoding: "utf8", tail: "warning", bytes: 7, truncated: false },
      },
      decision: { verdict: "allow", reason: "allowed" },
      audit: { sequence: 7, hash: "ab".repeat(32) },
    });
    expect(steps[1]).toMatchObject({ start: "2026-01-01T00:00:00.250Z", status: "ok" });
    expect(seen.map(({ node, operation, input }) => [node, operation, input])).toEqual([
      ["gpu", "exec.run", { command: "make" }],
      ["local", "fs.write", { path: "/log" }],
    ]);
    expect(Buffer.concat(seen[1]!.received as Uint8Array[]).toString()).toBe("built!");
  });

  test("tells the node which run and step each call belongs to", async () => {
    const { trace, seen, steps } = await run(TWO_STEPS, () => ({ output: {} }));
    expect(seen[0]!.options.trace).toEqual({
      trace_id: trace.trace_id,
      parent_span_id: steps[0]!.span_id,
      run_id: trace.run_id,
      step_id: "run",
    });
    expect(seen[0]!.options.timeout_ms).toBeGreaterThan(3_600_000);
    expect(seen[1]!.options.timeout_ms).toBeUndefined();
  });

  test("tells of progress as it happens", async () => {
    const { events } = await run(TWO_STEPS, ({ operation }) =>
      operation === "exec.run" ? { chunks: [text("x", 1)], output: {} } : { output: {} },
    );
    expect(events.map(({ kind }) => kind)).toEqual([
      "run_started",
      "step_started",
      "step_output",
      "step_finished",
      "step_started",
      "step_finished",
      "run_finished",
    ]);
    expect(events[2]).toMatchObject({ stream: "stderr" });
  });

  test("passes bytes, values, fields and texts on as what they are", async () => {
    const { seen, trace } = await run(
      `
name: x
inputs: { name: world }
steps:
  - { id: r, node: a, action: fs.read, path: /bin }
  - { id: l, node: a, action: fs.list, path: / }
  - { node: a, action: fs.write, path: "/\${{ inputs.name }}/\${{ steps.r.output.size_bytes }}", content: "\${{ steps.r.content }}" }
  - { node: a, action: fs.read, path: /x, length_bytes: "\${{ steps.r.output.size_bytes }}" }
  - { node: a, action: exec.run, command: ["\${{ steps.l.items }}", "$\${{ kept }}"] }
`,
      ({ operation }) =>
        operation === "fs.read"
          ? {
              chunks: [{ kind: "bytes", channel: 0, bytes: new Uint8Array([255, 10]) }],
              output: { size_bytes: 2 },
            }
          : { chunks: [{ kind: "value", value: { name: "a" } }], output: { exit_code: 0 } },
    );
    expect(trace.status).toBe("ok");
    expect(seen[2]!.input).toEqual({ path: "/world/2" });
    expect(seen[2]!.received).toEqual([new Uint8Array([255, 10])]);
    expect(seen[3]!.input).toEqual({ path: "/x", length_bytes: 2 });
    expect(seen[4]!.input).toEqual({ argv: [[{ name: "a" }], "\u0024{{ kept }}"] });
  });

  test("keeps only the end of long streams and of long inputs in the trace", async () => {
    const { steps } = await run(
      `
name: x
steps:
  - { id: l, node: a, action: fs.list, path: / }
  - { id: w, node: a, action: fs.write, path: /a, content: "${"x".repeat(100_000)}" }
`,
      () => ({
        chunks: Array.from(
          { length: 20_000 },
          (_, i) => ({ kind: "value", value: { i } }) as const,
        ),
        output: {},
      }),
    );
    expect(steps[0]!.logs!.items).toMatchObject({ truncated: true });
    expect(Buffer.byteLength(JSON.stringify(steps))).toBeLessThan(80_000);
    expect(JSON.stringify(steps[1]!.input)).toContain("more bytes)");
  });
});

describe("a run stops at the first step that fails", () => {
  test("when the node refuses the call, and says why", async () => {
    const error = new OperonError({
      code: "policy.denied",
      kind: "permission_denied",
      message: "Denied",
      cause: new Error("local detail"),
    });
    const { trace, steps, seen } = await run(TWO_STEPS, () => ({ error }));
    expect(trace.status).toBe("error");
    expect(seen).toHaveLength(1);
    expect(steps[0]).toMatchObject({
      status: "error",
      error: { code: "policy.denied", message: "Denied" },
    });
    expect(steps[1]).toMatchObject({ name: "save", status: "skipped", duration_ms: 0 });
    expect(JSON.stringify(trace)).not.toContain("local detail");
  });

  test("when a command exits with another code than 0", async () => {
    const { trace, steps } = await run(TWO_STEPS, () => ({
      chunks: [text("oops", 1)],
      output: { exit_code: 3 },
    }));
    expect(trace.status).toBe("error");
    expect(steps[0]).toMatchObject({
      output: { exit_code: 3 },
      logs: { stderr: { tail: "oops" } },
      error: { code: "workflow.step_failed", data: { step: "run", exit_code: 3 } },
    });
  });

  test("but not when the file allows the exit code", async () => {
    const yaml = TWO_STEPS.replace("command: make", "command: make, allow_exit: [3]");
    const { trace } = await run(yaml, () => ({ output: { exit_code: 3 } }));
    expect(trace.status).toBe("ok");
    const other = await run(yaml, () => ({ output: { exit_code: 4 } }));
    expect(other.trace.status).toBe("error");
  });

  test("when an earlier step did not return what is referred to", async () => {
    const yaml = TWO_STEPS.replace("steps.run.stdout", "steps.run.output.nothing");
    const { steps, seen } = await run(yaml, () => ({ output: { exit_code: 0 } }));
    expect(seen).toHaveLength(1);
    expect(steps[1]!.error).toMatchObject({ code: "workflow.reference_empty" });
  });

  test("when what is referred to is inherited, not returned", async () => {
    const yaml = TWO_STEPS.replace("steps.run.stdout", "steps.run.output.constructor.name");
    const { steps } = await run(yaml, () => ({ output: { exit_code: 0 } }));
    expect(steps[1]!.error).toMatchObject({ code: "workflow.reference_empty" });
  });

  test("when what is referred to is longer than what is kept", async () => {
    const { steps } = await run(TWO_STEPS, () => ({
      chunks: [{ kind: "bytes", channel: 0, bytes: new Uint8Array(STREAM_BYTES_MAX + 1) }],
      output: { exit_code: 0 },
    }));
    expect(steps[1]!.error).toMatchObject({ code: "workflow.reference_unusable" });
  });

  test("when bytes that are no text would become part of one", async () => {
    const yaml = TWO_STEPS.replace("path: /log", `path: "/\${{ steps.run.stdout }}"`);
    const { steps } = await run(yaml, () => ({
      chunks: [{ kind: "bytes", channel: 0, bytes: new Uint8Array([255]) }],
      output: { exit_code: 0 },
    }));
    expect(steps[1]!.error).toMatchObject({ code: "workflow.reference_unusable" });
  });

  test("when it is cancelled in the middle of a step", async () => {
    const stop = new AbortController();
    const running = run(TWO_STEPS, () => ({ hangs: true }), { signal: stop.signal });
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    const { trace, steps } = await running;
    expect(trace.status).toBe("error");
    expect(steps[0]!.error).toMatchObject({ code: "workflow.cancelled", kind: "cancelled" });
    expect(steps[1]!.status).toBe("skipped");
  });

  test("when it is cancelled before it starts, without a call", async () => {
    const { seen, steps } = await run(TWO_STEPS, () => ({}), { signal: AbortSignal.abort() });
    expect(seen).toHaveLength(0);
    expect(steps[0]!.error).toMatchObject({ code: "workflow.cancelled" });
  });
});
