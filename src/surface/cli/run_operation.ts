// Makes the call a command line asks for and shows what comes back: text for people, JSON for programs.
// It must never leave half a file behind, nor hide that a stream was cut.
// Next: parse.ts understood the words; render.ts lays out text; json_stream.ts keeps bytes exact.

import { closeSync, createReadStream, openSync, renameSync, rmSync, writeSync } from "node:fs";
import type { Caller, Chunk, OngoingCall } from "../../contract/caller.ts";
import { OperonError, toOperonError } from "../../error.ts";
import type { CliContext, GlobalFlags } from "./context.ts";
import { escapeText } from "./escape.ts";
import type { Command } from "./grammar.ts";
import { ByteChunks } from "./json_stream.ts";
import { type ParsedCommand, parseCommand } from "./parse.ts";
import { fillTemplate, renderOutput, StreamTable } from "./render.ts";
import { OutputClosed } from "./stdio.ts";
import { usageError } from "./usage_error.ts";

/** Runs an operation's command line. Returns the exit code. @throws OperonError */
export async function runOperation(
  command: Command,
  words: readonly string[],
  { context, globals }: { context: CliContext; globals: GlobalFlags },
): Promise<number> {
  const parsed = parseCommand(command, words);
  if (!(await isConfirmed(command, parsed, { context, globals }))) return 1;
  await using caller = await context.connect(globals);
  const call = start(command, parsed, { context, caller });
  const interrupted = () => call.cancel(interruption());
  context.signal.addEventListener("abort", interrupted, { once: true });
  try {
    const output = await show(call, command, { parsed, context, globals });
    return exitCodeOf(command, output);
  } catch (error) {
    call.cancel();
    throw error;
  } finally {
    context.signal.removeEventListener("abort", interrupted);
  }
}

interface Showing {
  readonly parsed: ParsedCommand;
  readonly context: CliContext;
  readonly globals: GlobalFlags;
}

function start(
  command: Command,
  parsed: ParsedCommand,
  { context, caller }: { context: CliContext; caller: Caller },
): OngoingCall {
  const { operation } = command;
  const outgoing = operation.receives ? outgoingOf(command, parsed, context) : undefined;
  return caller.call(parsed.node, operation.id, parsed.input, outgoing ? { outgoing } : {});
}

function outgoingOf(
  { operation, words }: Command,
  { receives }: ParsedCommand,
  { stdio }: CliContext,
): AsyncIterable<unknown> | undefined {
  const stdin = operation.cli.receives?.stdin ?? "never";
  if (receives && "text" in receives) return textOf(receives.text);
  if (receives) return fileChunks(receives.file);
  if (stdin === "never" || (stdin === "piped" && !stdio.stdin.isPiped)) return undefined;
  if (stdio.stdin.isTTY && stdin === "always") {
    const { file_flag, text_flag } = operation.cli.receives ?? {};
    const flags = [text_flag, file_flag]
      .filter((name) => name !== undefined)
      .map((name) => `--${name}`);
    throw usageError(
      `${words.join(" ")} needs something to send`,
      `Pipe it in${flags.length > 0 ? `, or give ${flags.join(" or ")}` : ""}`,
    );
  }
  return operation.receives?.kind === "values"
    ? jsonLines(stdio.stdin.chunks())
    : stdio.stdin.chunks();
}

async function* textOf(text: string): AsyncGenerator<Uint8Array, undefined> {
  if (text !== "") yield new TextEncoder().encode(text);
  return undefined;
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array, undefined> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 }))
      yield chunk as Uint8Array;
  } catch (error) {
    throw usageError(
      `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`,
      "Check the path; it is read on this machine",
    );
  }
  return undefined;
}

async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
  }
  if (rest.trim() !== "") yield JSON.parse(rest);
  return undefined;
}

async function show(call: OngoingCall, command: Command, showing: Showing): Promise<unknown> {
  const { sends } = command.operation;
  if (!sends) return showUnary(call, command, showing);
  if (showing.parsed.sendsTo !== undefined) return saveBytes(call, showing.parsed.sendsTo, showing);
  return sends.kind === "values"
    ? showValues(call, command, showing)
    : showBytes(call, command, showing);
}

async function showUnary(
  call: OngoingCall,
  command: Command,
  { context, globals }: Showing,
): Promise<unknown> {
  const output = await call.output;
  const { stdout } = context.stdio;
  if (globals.json) await stdout.write(`${JSON.stringify(output)}\n`);
  else if (!globals.quiet)
    await stdout.write(
      renderOutput(
        output,
        command.operation.cli.view,
        stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY,
      ),
    );
  return output;
}

async function showValues(
  call: OngoingCall,
  command: Command,
  { context, globals }: Showing,
): Promise<unknown> {
  const { stdout } = context.stdio;
  const { view } = command.operation.cli;
  const table =
    view?.kind === "table"
      ? new StreamTable(view.columns, stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY)
      : undefined;
  // A stream that pauses must not hold back the rows that came: they are shown after a moment.
  const isEndless = command.operation.lifetime === "unbounded";
  let text = "";
  for await (const chunk of call.chunks) {
    if (chunk.kind !== "value") continue;
    if (globals.json) text += `${JSON.stringify(chunk.value)}\n`;
    else if (table) text += table.add(chunk.value) + (isEndless ? table.end() : "");
    else
      text +=
        view?.kind === "line"
          ? `${fillTemplate(view.template, chunk.value)}\n`
          : renderOutput(chunk.value, view, stdout.columns);
    if (text.length < 16_384 && !isEndless) continue;
    await stdout.write(text);
    text = "";
  }
  await stdout.write(text + (table && !globals.json ? table.end() : ""));
  return call.output;
}

async function showBytes(
  call: OngoingCall,
  command: Command,
  { context, globals }: Showing,
): Promise<unknown> {
  const { sends } = command.operation;
  const channels = sends?.kind === "bytes" ? sends.channels : [];
  const { stdout, stderr } = context.stdio;
  const json = globals.json ? new ByteChunks(channels) : undefined;
  for await (const chunk of call.chunks) {
    if (chunk.kind !== "bytes") continue;
    if (json) await stdout.write(json.add(chunk));
    else await (channels[chunk.channel] === "stderr" ? stderr : stdout).write(chunk.bytes);
  }
  const output = await call.output;
  if (json) await stdout.write(`${json.end()}${JSON.stringify({ output })}\n`);
  return output;
}

/** Writes beside the target and renames, so that a failed call leaves the old file whole. */
async function saveBytes(
  call: OngoingCall,
  path: string,
  { context, globals }: Showing,
): Promise<unknown> {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  const descriptor = openLocal(temporary, path);
  try {
    for await (const chunk of call.chunks) writeChunk(descriptor, chunk);
    const output = await call.output;
    renameSync(temporary, path);
    if (globals.json) await context.stdio.stdout.write(`${JSON.stringify(output)}\n`);
    return output;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function openLocal(temporary: string, path: string): number {
  try {
    return openSync(temporary, "wx", 0o666);
  } catch (error) {
    throw usageError(
      `${path} cannot be written: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`,
      "Check the folder and its mode; it is on this machine",
    );
  }
}

function writeChunk(descriptor: number, chunk: Chunk): void {
  if (chunk.kind !== "bytes") return;
  for (let offset = 0; offset < chunk.bytes.byteLength; )
    offset += writeSync(descriptor, chunk.bytes, offset);
}

function exitCodeOf({ operation }: Command, output: unknown): number {
  const field = operation.cli.exit_code;
  const code = field === undefined ? 0 : (output as Record<string, unknown> | undefined)?.[field];
  return typeof code === "number" ? code : 0;
}

/** What is destroyed is asked about first, where someone is there to answer. */
async function isConfirmed(
  command: Command,
  parsed: ParsedCommand,
  { context, globals }: { context: CliContext; globals: GlobalFlags },
): Promise<boolean> {
  const { stdin, stderr } = context.stdio;
  if (
    command.operation.effect !== "destroy" ||
    globals.yes ||
    globals.json ||
    !stdin.isTTY ||
    !stderr.isTTY
  )
    return true;
  const what = Object.values(parsed.input)
    .filter((value) => typeof value === "string")
    .join(" ");
  await stderr.write(
    `${command.operation.summary}: ${escapeText(what)} on ${escapeText(parsed.node)}? [y/N] `,
  );
  const answer = (await stdin.line())?.trim().toLowerCase();
  if (answer === "y" || answer === "yes") return true;
  await stderr.write("Nothing was changed\n");
  return false;
}

function interruption(): OperonError {
  return new OperonError({ code: "cli.interrupted", kind: "cancelled", message: "Interrupted" });
}

/** Whether a failure only means that whoever read our output has left. */
export function isOutputClosed(error: unknown): boolean {
  return error instanceof OutputClosed || toOperonError(error).cause instanceof OutputClosed;
}
