// One operation from the command line: ask when something would be lost, call, show, exit code.
// It must never decide what is allowed: the serving node does. What few commands need is loaded by those.
// Next: source.ts feeds the call, show.ts prints what it answers.

import type { Caller, CallReceipt, OngoingCall } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { OperonError } from "../../error.ts";
import type { CommandLine } from "./command_line.ts";
import type { Running } from "./context.ts";
import { escapeText } from "./escape.ts";
import type { Command } from "./grammar.ts";
import { type CallPlan, planCall } from "./input.ts";
import { openProgress } from "./progress.ts";
import { askingOn } from "./question.ts";
import type { Saving } from "./save.ts";
import type { saveNodes } from "./save_nodes.ts";
import { showCall } from "./show.ts";
import { openSource, type Source } from "./source.ts";
import { noteTimeLimit } from "./time_limit.ts";

/** How long a cancelled call may take to end (ms) before it is left to itself. */
const CANCEL_GRACE_MS = 2_000;

/** Makes the call and resolves to the exit code. */
export async function runOperation(
  command: Extract<Command, { kind: "operation" }>,
  line: CommandLine,
  running: Running,
): Promise<number> {
  const { context } = running;
  const { operation } = command;
  const plan = await planCall(command, line, context.place);
  if (command.forward) {
    const { runForward } = await import("./forward.ts");
    return await runForward({ operation, plan, forward: command.forward }, running);
  }
  const { publish } = operation.cli;
  if (publish) {
    const { runPublish } = await import("./publish.ts");
    return await runPublish({ operation, plan, publish }, running);
  }
  await using source = await openSource(operation, plan, context.stdio);
  // Opened before the call: what cannot be saved need not be asked for, and a stream nobody reads is discarded.
  await using saving = plan.save === undefined ? undefined : await openSaving(plan.save);
  if (operation.effect === "destroy") await confirm(operation, plan, running);
  // Each key waits for its echo: half as long without the local daemon between.
  const lasts = operation.cli.terminal !== undefined;
  const connecting = context.connect({ ...running.globals, lasts });
  return await orCancelled(
    connecting.then((caller) => callWith(caller, { operation, plan, source, saving, running })),
    running,
  );
}

/** Few commands save anything: what does is loaded only then. */
async function openSaving(path: string): Promise<Saving> {
  const { saveTo } = await import("./save.ts");
  return saveTo(path);
}

/** Loaded when it is asked for, as what saves streams is. */
async function keepNodes(...parts: Parameters<typeof saveNodes>): Promise<void> {
  const { saveNodes } = await import("./save_nodes.ts");
  await saveNodes(...parts);
}

interface CallParts {
  readonly operation: OperationDescription;
  readonly plan: CallPlan;
  readonly source: Source | undefined;
  readonly saving: Saving | undefined;
  readonly running: Running;
}

async function callWith(caller: Caller, parts: CallParts): Promise<number> {
  await using connection = caller;
  const { operation, plan, source, saving, running } = parts;
  if (plan.to !== undefined) {
    const { runRelay } = await import("./relay.ts");
    const output = await runRelay(connection, { operation, plan, to: plan.to, running });
    return exitCodeOf(output, operation);
  }
  if (operation.cli.terminal && !running.globals.json && saving === undefined) {
    const { runTerminal } = await import("./terminal.ts");
    const output = await runTerminal(connection, { operation, plan, source }, running);
    return output === undefined ? 0 : await finish(output, parts);
  }
  return await finish(await shownOutput(connection, parts), parts);
}

/** Makes the call and shows it; resolves to its output. */
async function shownOutput(
  connection: Caller,
  { operation, plan, source, saving, running }: CallParts,
): Promise<unknown> {
  const { context, globals } = running;
  const isTyped = source?.isTyped === true;
  const totalBytes = source?.sizeBytes;
  using progress = openProgress(running, { node: plan.node, totalBytes, isTyped });
  const call = connection.call(plan.node, operation.id, plan.input, {
    signal: context.signal,
    ...(globals.timeoutSecs === undefined ? {} : { timeout_ms: globals.timeoutSecs * 1000 }),
    ...(source === undefined ? {} : { outgoing: progress.counted(source.items) }),
  });
  try {
    const output = await showCall(call, operation, {
      running: progress.running,
      saving: saving && progress.saving(saving),
    });
    if (plan.nodes !== undefined) await keepNodes(output, { operation, path: plan.nodes }, running);
    return output;
  } catch (error) {
    call.cancel();
    // The node only sees a stream that broke off; why it did is known here.
    throw source?.failure ?? error;
  } finally {
    progress[Symbol.dispose]();
    if (globals.verbose) await showReceipt(call, running);
  }
}

/** What is said after an output was shown, and the exit code. */
async function finish(output: unknown, { operation, plan, running }: CallParts): Promise<number> {
  await noteTimeLimit(output, { operation, plan }, running);
  return exitCodeOf(output, operation);
}

/** What the call resolves to, or the cancellation when it does not end soon after a signal. */
async function orCancelled(result: Promise<number>, { context }: Running): Promise<number> {
  const { signal, clock } = context;
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const abort = () => {
    clock.after(CANCEL_GRACE_MS, () =>
      reject(
        new OperonError({
          code: "cli.cancelled",
          kind: "cancelled",
          message: "Cancelled; the node has not confirmed it",
        }),
      ),
    );
  };
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([result, cancelled]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Asks on a terminal; a script has nobody to ask. */
async function confirm(
  operation: OperationDescription,
  plan: CallPlan,
  { context, globals }: Running,
): Promise<void> {
  const { stdin, stderr } = context.stdio;
  if (globals.yes || !stdin.isTty || !stderr.isTty) return;
  const details = Object.values(plan.input).filter((value) => typeof value === "string");
  const what = [...details, "on", plan.node].map((text) => escapeText(text)).join(" ");
  const answer = await askingOn(context.stdio).question(`${operation.summary}: ${what}? [y/N] `);
  if (/^y(es)?$/i.test(answer ?? "")) return;
  throw new OperonError({
    code: "cli.declined",
    kind: "cancelled",
    message: "Nothing was done",
    hint: "--yes goes on without asking",
  });
}

function exitCodeOf(output: unknown, { cli }: OperationDescription): number {
  if (cli.exit_code === undefined) return 0;
  const code = (output as Readonly<Record<string, unknown>> | null)?.[cli.exit_code];
  const isCode = typeof code === "number" && Number.isInteger(code) && code >= 0 && code <= 255;
  return isCode ? code : 1;
}

async function showReceipt(call: OngoingCall, { context }: Running): Promise<void> {
  const receipt = await call.receipt.catch(() => undefined);
  if (!receipt) return;
  await context.stdio.stderr.write(`${escapeText(receiptText(receipt))}\n`).catch(() => {});
}

function receiptText({ node, decision, audit }: CallReceipt): string {
  const { verdict, reason, rule } = decision;
  const place = rule?.file === undefined ? "" : ` (${rule.file}:${rule.line})`;
  const by = rule === undefined ? "" : ` by rule ${rule.index + 1} of role ${rule.role}${place}`;
  const entry = audit === undefined ? "" : `; audit entry ${audit.sequence} ${audit.hash}`;
  return `decision: ${verdict}, ${reason}${by}; node ${node}${entry}`;
}
