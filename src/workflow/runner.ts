// Runs a plan: each step a call, in order, until one fails; what happened becomes a trace.
// It must never do what a caller could not: every step is an ordinary call that the serving node decides.
// Next: plan.ts makes plans, fill.ts fills references, trace/store.ts keeps what comes out.

import type { Clock } from "../clock.ts";
import type { Caller, CallReceipt, Chunk, OngoingCall } from "../contract/caller.ts";
import { OperonError, toOperonError } from "../error.ts";
import { CALL_TIMEOUT_MAX_MS } from "../limits.ts";
import type { Span, TraceDocument } from "../trace/document.ts";
import { excerpt } from "../trace/excerpt.ts";
import { newSpanId, newTraceId } from "../trace/id.ts";
import { fill, type StepResult } from "./fill.ts";
import type { Describe, PlannedStep, WorkflowPlan } from "./plan.ts";
import { StepStreams } from "./step_streams.ts";

/** Live progress of a run. */
export type RunEvent =
  | {
      readonly kind: "run_started";
      readonly trace_id: string;
      readonly run_id: string;
      readonly name: string;
      readonly steps: number;
    }
  | { readonly kind: "step_started"; readonly step: PlannedStep; readonly index: number }
  /** `stream` is the name of the stream the chunk belongs to. */
  | {
      readonly kind: "step_output";
      readonly step: PlannedStep;
      readonly stream: string;
      readonly chunk: Chunk;
    }
  | {
      readonly kind: "step_finished";
      readonly step: PlannedStep;
      readonly index: number;
      readonly span: Span;
    }
  | { readonly kind: "run_finished"; readonly trace: TraceDocument };

/** What a run needs. */
export interface RunOptions {
  readonly caller: Caller;
  readonly describe: Describe;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Called in order; must not throw. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** Bytes of an input and of an output that reach the trace. */
const EXCERPT_BYTES_MAX = 16 * 1024;
/** How long an ended call's receipt is waited for (ms); it comes with the answer when there is one. */
const RECEIPT_WAIT_MS = 1_000;

/** Runs a plan. A failed step is in the trace, not thrown; the steps after it are `skipped`. */
export async function runWorkflow(plan: WorkflowPlan, options: RunOptions): Promise<TraceDocument> {
  const { clock, onEvent } = options;
  const run: Run = {
    ...options,
    plan,
    trace_id: newTraceId(),
    run_id: newSpanId(),
    rootSpanId: newSpanId(),
    results: new Map(),
  };
  const started = startNow(clock);
  const { trace_id, run_id } = run;
  const steps = plan.steps.length;
  onEvent?.({ kind: "run_started", trace_id, run_id, name: plan.name, steps });
  const spans: Span[] = [];
  let failed = false;
  for (const [index, step] of plan.steps.entries()) {
    if (failed) {
      spans.push(skippedSpan(step, run));
      continue;
    }
    onEvent?.({ kind: "step_started", step, index });
    const span = await runStep(step, run);
    spans.push(span);
    failed = span.status === "error";
    onEvent?.({ kind: "step_finished", step, index, span });
  }
  const status = failed ? "error" : "ok";
  const time = { start: started.start, duration_ms: started.elapsedMs() };
  const root: Span = { span_id: run.rootSpanId, name: plan.name, ...time, status };
  const head = { version: 1, trace_id, run_id, name: plan.name, status } as const;
  const trace: TraceDocument = { ...head, ...time, spans: [root, ...spans] };
  onEvent?.({ kind: "run_finished", trace });
  return trace;
}

interface Run extends RunOptions {
  readonly plan: WorkflowPlan;
  readonly trace_id: string;
  readonly run_id: string;
  readonly rootSpanId: string;
  readonly results: Map<string, StepResult>;
}

/** What is known of a step while it runs; all of it reaches the span, however the step ends. */
interface StepRecord {
  input?: unknown;
  output?: unknown;
  receipt?: CallReceipt | undefined;
}

async function runStep(step: PlannedStep, run: Run): Promise<Span> {
  const span_id = newSpanId();
  const started = startNow(run.clock);
  const streams = new StepStreams(run.describe(step.operation)?.sends);
  const record: StepRecord = {};
  let error: OperonError | undefined;
  try {
    run.signal?.throwIfAborted();
    await callStep(step, run, { span_id, streams, record });
    run.results.set(step.id, { output: record.output, streams });
  } catch (thrown) {
    error = run.signal?.aborted ? cancelled(thrown) : toOperonError(thrown);
  }
  const logs = streams.logs();
  const { input, output, receipt } = record;
  return {
    span_id,
    ...stepHead(step, run),
    ...(receipt ? { node_key: receipt.node } : {}),
    start: started.start,
    duration_ms: started.elapsedMs(),
    status: error ? "error" : "ok",
    ...(input === undefined ? {} : { input: excerpt(input, EXCERPT_BYTES_MAX) }),
    ...(output === undefined ? {} : { output: excerpt(output, EXCERPT_BYTES_MAX) }),
    ...(logs ? { logs } : {}),
    ...(receipt ? { decision: receipt.decision } : {}),
    ...(receipt?.audit ? { audit: receipt.audit } : {}),
    ...(error ? { error: error.toDocument() } : {}),
  };
}

async function callStep(
  step: PlannedStep,
  run: Run,
  state: { readonly span_id: string; readonly streams: StepStreams; readonly record: StepRecord },
): Promise<void> {
  const { caller, onEvent, trace_id, run_id } = run;
  const { streams, record } = state;
  const results = { inputs: run.plan.inputs, steps: run.results };
  const input = fill(step.input, results);
  const content = fill(step.content, results, { keepBytes: true });
  record.input = content === undefined ? input : { ...(input as object), content };
  const operation = run.describe(step.operation);
  const timeout_ms =
    step.timeout_ms ?? (operation?.lifetime === "unbounded" ? CALL_TIMEOUT_MAX_MS : undefined);
  const call = caller.call(step.node, step.operation, input, {
    trace: { trace_id, parent_span_id: state.span_id, run_id, step_id: step.id },
    ...(run.signal ? { signal: run.signal } : {}),
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
    ...(content === undefined ? {} : { outgoing: outgoing(content, operation?.receives?.kind) }),
  });
  // Whichever fails first is reported; the other must not become an unhandled rejection.
  call.output.catch(() => {});
  try {
    for await (const chunk of call.chunks) {
      const stream = streams.take(chunk);
      onEvent?.({ kind: "step_output", step, stream, chunk });
    }
    record.output = await call.output;
  } finally {
    record.receipt = await receiptOf(call, run.clock);
  }
  checkExitCode(step, operation?.cli.exit_code, record.output);
}

async function receiptOf(call: OngoingCall, clock: Clock): Promise<CallReceipt | undefined> {
  const waited = Promise.withResolvers<undefined>();
  using _timer = clock.after(RECEIPT_WAIT_MS, () => waited.resolve(undefined));
  return await Promise.race([call.receipt.catch(() => undefined), waited.promise]);
}

function checkExitCode(step: PlannedStep, field: string | undefined, output: unknown): void {
  if (field === undefined || typeof output !== "object" || output === null) return;
  const exitCode = (output as Readonly<Record<string, unknown>>)[field];
  if (typeof exitCode !== "number" || exitCode === 0 || step.allow_exit.includes(exitCode)) return;
  throw new OperonError({
    code: "workflow.step_failed",
    kind: "unknown",
    message: `The step ${step.id} ended with exit code ${exitCode}`,
    hint: `Its output is in the trace; allow_exit: [${exitCode}] lets such a step pass`,
    data: { step: step.id, exit_code: exitCode },
  });
}

/** Bytes go out in pieces as they are; values one by one. */
async function* outgoing(content: unknown, kind: "bytes" | "values" | undefined) {
  if (kind === "values") {
    yield* Array.isArray(content) ? content : [content];
    return;
  }
  const bytes = content instanceof Uint8Array ? content : Buffer.from(asText(content));
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES);
  }
}

const PIECE_BYTES = 64 * 1024;

function asText(content: unknown): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

function stepHead(step: PlannedStep, run: Run) {
  const { id, node, operation } = step;
  return { parent_span_id: run.rootSpanId, name: id, node, operation };
}

function skippedSpan(step: PlannedStep, run: Run): Span {
  const { start } = startNow(run.clock);
  return {
    span_id: newSpanId(),
    ...stepHead(step, run),
    start,
    duration_ms: 0,
    status: "skipped",
  };
}

function startNow(clock: Clock) {
  const startMs = clock.monotonicMs();
  return {
    start: new Date(clock.nowMs()).toISOString(),
    elapsedMs: () => Math.round((clock.monotonicMs() - startMs) * 1000) / 1000,
  };
}

function cancelled(cause: unknown): OperonError {
  return new OperonError({
    code: "workflow.cancelled",
    kind: "cancelled",
    message: "The run was cancelled",
    cause,
  });
}
