// A call that has a terminal at the other end: this one's keys, size and screen are lent to it.
// It must never leave this terminal as the other end made it, nor name an operation: the description says which are which.
// Next: terminal_keys.ts takes the keys, terminal_escape.ts finds the way out.

import type { Caller, OngoingCall } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { OperonError } from "../../error.ts";
import type { Running } from "./context.ts";
import { escapeText } from "./escape.ts";
import type { CallPlan } from "./input.ts";
import { Screen } from "./screen.ts";
import type { Source } from "./source.ts";
import { untilLeaving } from "./terminal_escape.ts";
import type { Keys } from "./terminal_keys.ts";

/** What is called. */
export interface TerminalParts {
  readonly operation: OperationDescription;
  readonly plan: Pick<CallPlan, "node" | "input">;
  /** What is sent where there are no keys. */
  readonly source: Source | undefined;
  /** Whose keys are lent; default: standard input, where it is a terminal. */
  readonly keysFrom?: { takeKeys(): Keys };
}

/** Where the node says the output stands. */
interface Standing {
  session: string | undefined;
  position: number;
  /** Up to where it was there already when this caller came. */
  oldEnd: number;
}

const TERM_NAME = /^[A-Za-z0-9._+-]{1,64}$/;

/** Resolves to the output, `undefined` when the user left. @throws OperonError of the call */
export async function runTerminal(
  caller: Caller,
  parts: TerminalParts,
  running: Running,
): Promise<unknown> {
  const leaving = new AbortController();
  const standing: Standing = { session: undefined, position: 0, oldEnd: 0 };
  try {
    return await lendTerminal(caller, parts, { running, standing, leaving });
  } catch (error) {
    // Only now: a terminal that is lent does not begin its lines where they should.
    await sayWhereItGoesOn({ ...parts, standing }, running);
    if (leaving.signal.aborted) return undefined;
    throw parts.source?.failure ?? error;
  }
}

/** As long as it runs the terminal is the other end's. */
async function lendTerminal(
  caller: Caller,
  { operation, plan, source, keysFrom }: TerminalParts,
  {
    running,
    standing,
    leaving,
  }: {
    readonly running: Running;
    readonly standing: Standing;
    readonly leaving: AbortController;
  },
): Promise<unknown> {
  const { context, globals } = running;
  const { stdin, stdout } = context.stdio;
  const isInteractive = stdin.isTty && stdout.isTty;
  using keys = keysFrom?.takeKeys() ?? (isInteractive ? stdin.takeKeys?.() : undefined);
  const outgoing = keys
    ? untilLeaving(
        keys,
        () => leaving.abort(),
        () => standing.session !== undefined,
      )
    : source?.items;
  const call = caller.call(plan.node, operation.id, terminalInput(operation, plan, running), {
    // Leaving is no failure of the call; it is cancelled like one, and the session stays.
    signal: AbortSignal.any([context.signal, leaving.signal]),
    ...(globals.timeoutSecs === undefined ? {} : { timeout_ms: globals.timeoutSecs * 1000 }),
    ...(outgoing === undefined ? {} : { outgoing }),
  });
  // A file or a pipe answers nothing and needs no order: it gets every byte, and no more.
  const screen = stdout.isTty ? new Screen() : undefined;
  using _sizes = keys && followSize(caller, { operation, plan, standing });
  try {
    await show(call, { operation, running, standing, screen });
    return await call.output;
  } catch (error) {
    call.cancel();
    throw error;
  } finally {
    // A program that was killed has put nothing in order.
    if (screen) await stdout.write(screen.restoring()).catch(() => {});
  }
}

interface Showing {
  readonly operation: OperationDescription;
  readonly running: Running;
  readonly standing: Standing;
  readonly screen: Screen | undefined;
}

async function show(
  call: OngoingCall,
  { operation, running, standing, screen }: Showing,
): Promise<void> {
  const { stdout, stderr } = running.context.stdio;
  const { sends } = operation;
  const control = sends?.kind === "bytes" ? sends.channels.indexOf("control") : -1;
  for await (const chunk of call.chunks) {
    if (chunk.kind !== "bytes") continue;
    if (chunk.channel === control) {
      const dropped = stand(standing, chunk.bytes);
      if (dropped > 0)
        await stderr.write(`note: ${dropped} bytes before this are kept no more\r\n`);
      continue;
    }
    const oldBytes = standing.oldEnd - standing.position;
    standing.position += chunk.bytes.byteLength;
    await stdout.write(screen?.shown(chunk.bytes, oldBytes) ?? chunk.bytes);
  }
}

/** Takes in what the node says; returns how many bytes are missing. */
function stand(standing: Standing, line: Uint8Array): number {
  let said: { session?: unknown; from?: unknown; dropped?: unknown; end?: unknown };
  try {
    said = JSON.parse(new TextDecoder().decode(line));
  } catch {
    throw new OperonError({
      code: "cli.terminal_confused",
      kind: "internal",
      message: "The node said something about the terminal that cannot be understood",
      hint: "Its version may be another one; see operon --version on both",
    });
  }
  if (typeof said.session === "string") standing.session = said.session;
  if (typeof said.from === "number") standing.position = said.from;
  if (typeof said.end === "number") standing.oldEnd = said.end;
  return typeof said.dropped === "number" ? said.dropped : 0;
}

/** The input, with the size and the name of this terminal where nothing else was said. */
function terminalInput(
  { cli }: OperationDescription,
  { input }: TerminalParts["plan"],
  { context }: Running,
): Readonly<Record<string, unknown>> {
  const { terminal } = cli;
  if (!terminal || !context.stdio.stdout.isTty) return input;
  const { TERM } = context.env;
  const { columns, rows } = process.stdout;
  return {
    ...(columns && rows ? { [terminal.rows]: rows, [terminal.cols]: columns } : {}),
    ...(terminal.term && TERM && TERM_NAME.test(TERM) ? { [terminal.term]: TERM } : {}),
    ...input,
  };
}

/** Tells the node each new size; while one is on its way only the last one waits. */
function followSize(
  caller: Caller,
  {
    operation,
    plan,
    standing,
  }: Pick<TerminalParts, "operation" | "plan"> & { readonly standing: Standing },
): Disposable {
  const { terminal } = operation.cli;
  let isTelling = false;
  let isChanged = false;
  const tell = async () => {
    isChanged = true;
    if (isTelling || !terminal) return;
    isTelling = true;
    while (isChanged && standing.session !== undefined) {
      isChanged = false;
      const { rows, columns: cols } = process.stdout;
      const input = { id: standing.session, rows, cols };
      // A size that does not arrive spoils a picture, not the session.
      await caller.call(plan.node, terminal.resize, input).output.catch(() => {});
    }
    isTelling = false;
  };
  const changed = () => void tell();
  process.stdout.on("resize", changed);
  return { [Symbol.dispose]: () => void process.stdout.off("resize", changed) };
}

async function sayWhereItGoesOn(
  {
    operation,
    plan,
    standing,
  }: Pick<TerminalParts, "operation" | "plan"> & { readonly standing: Standing },
  { context, globals }: Running,
): Promise<void> {
  const { terminal } = operation.cli;
  if (!terminal || standing.session === undefined || globals.quiet) return;
  const { again, ends_with_caller: ends } = terminal;
  const words = [...again.split("."), plan.node, standing.session, "--from", standing.position];
  const isEnding = ends !== undefined && plan.input[ends] === true;
  const what = isEnding
    ? "left, and the session ends"
    : `left; if it goes on: operon ${escapeText(words.join(" "))}`;
  await context.stdio.stderr.write(`\noperon: ${what}\n`).catch(() => {});
}
