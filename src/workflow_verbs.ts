// `operon run FILE`: the file's steps in order, each a signed call, and the trace of what happened.
// It must never run a step before the whole file was checked.
// Next: workflow/plan.ts checks, workflow/runner.ts runs, trace/store.ts keeps.

import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { systemClock } from "./clock.ts";
import type { OperationDescription } from "./contract/description.ts";
import { homeAt, resolveHome } from "./identity/home.ts";
import { escapeText, jsonLine } from "./surface/cli/escape.ts";
import type { Output } from "./surface/cli/stdio.ts";
import { usageError } from "./surface/cli/usage_error.ts";
import type { HandWrittenVerb, VerbContext, VerbInput } from "./surface/cli/verb.ts";
import type { TraceDocument } from "./trace/document.ts";
import type { RunEvent } from "./workflow/runner.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;

const description =
  "The file is checked as a whole before anything runs. Each step names a node and an action (any operation); its other " +
  "keys are the action's input. The trace holds inputs, outputs, log tails, durations and decisions; it is kept in the home.";

/** `run`, and its longer spellings. */
export const workflowVerbs: readonly HandWrittenVerb[] = [
  ["run"],
  ["workflow", "run"],
  ["graph", "run"],
].map((path) => ({
  path,
  summary: "Run a workflow file: steps in order, each a signed call to a node",
  description,
  args: [{ name: "file", summary: "The workflow, YAML or JSON", names: "local_file" }],
  flags: [
    {
      name: "trace-output",
      kind: "string",
      value: "FILE",
      summary: "Write the trace to this file too",
    },
    { name: "input", kind: "map", summary: "Values for the file's inputs" },
  ],
  examples: [
    "run workflow.yaml",
    "run --trace-output trace.json workflow.yaml",
    "run deploy.yaml --input version=1.4.2",
  ],
  ...(path.length > 1 ? { hidden: true as const } : {}),
  run: runWorkflowFile,
}));

async function runWorkflowFile({ args, flags }: VerbInput, context: VerbContext): Promise<number> {
  const { globals } = context;
  const path = args.file as string;
  const [{ parseWorkflow }, { planWorkflow }, { runWorkflow }, { TraceStore }, manifest] =
    await Promise.all([
      import("./workflow/schema.ts"),
      import("./workflow/plan.ts"),
      import("./workflow/runner.ts"),
      import("./trace/store.ts"),
      context.describe(),
    ]);
  const operations = new Map<string, OperationDescription>(
    manifest.flatMap((group) => group.operations.map((one) => [one.id, one])),
  );
  const describe = (id: string) => operations.get(id);
  const workflow = await parseWorkflow(readText(path), basename(path));
  const plan = planWorkflow(workflow, {
    describe,
    operationIds: [...operations.keys()],
    inputs: (flags.input as Record<string, string> | undefined) ?? {},
  });
  await using caller = await context.connect();
  const { stdout, stderr } = context.stdio;
  const isTold = !globals.json && !globals.quiet;
  const trace = await runWorkflow(plan, {
    caller,
    describe,
    clock: systemClock,
    signal: context.signal,
    onEvent: (event) => {
      if (isTold) tell(event, { total: plan.steps.length, stderr });
    },
  });
  const home = globals.home === undefined ? resolveHome(context.env) : homeAt(globals.home);
  await new TraceStore(home.traces_path).save(trace);
  const output = flags["trace-output"];
  if (typeof output === "string") await writeTrace(output, trace);
  if (globals.json) await stdout.write(jsonLine(trace));
  else if (isTold)
    await stderr.write(
      `trace ${trace.trace_id}; show it with: operon trace show ${trace.trace_id.slice(0, 8)}\n`,
    );
  return trace.status === "ok" ? 0 : failedExitCode(trace);
}

function tell(event: RunEvent, { total, stderr }: { total: number; stderr: Output }): void {
  if (event.kind !== "step_finished") return;
  const { span, step, index } = event;
  const head = `[${index + 1}/${total}] ${step.id}: ${step.operation} on ${step.node}`;
  const lines = [`${escapeText(head)} ${span.status} ${Math.round(span.duration_ms)} ms\n`];
  if (span.error) lines.push(`error: ${escapeText(span.error.message)}\n`);
  if (span.error?.hint) lines.push(`hint: ${escapeText(span.error.hint)}\n`);
  void stderr.write(lines.join("")).catch(() => {});
}

/** The failed step's own exit code, where it ran a command. */
function failedExitCode(trace: TraceDocument): number {
  const failed = trace.spans.find(
    (span) => span.status === "error" && span.operation !== undefined,
  );
  const code = (failed?.output as { exit_code?: unknown } | undefined)?.exit_code;
  return typeof code === "number" && code > 0 && code < 256 ? code : 1;
}

async function writeTrace(path: string, trace: TraceDocument): Promise<void> {
  const { writeFileSync } = await import("node:fs");
  try {
    writeFileSync(path, `${JSON.stringify(trace, null, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw usageError(
      "file_unwritable",
      `${path} cannot be written: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`,
      "The trace is kept in the home as well: operon trace list",
    );
  }
}

function readText(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile())
    throw usageError(
      "file_unreadable",
      `There is no file ${path}`,
      "Check the path of the workflow file",
    );
  if (stats.size > FILE_BYTES_MAX)
    throw usageError(
      "file_unreadable",
      `${path} is larger than ${FILE_BYTES_MAX} bytes`,
      "Split the workflow",
    );
  return readFileSync(path, "utf8");
}
