// What a call answers, as it comes: to standard output, to a local file, as text or as JSON.
// It must never run ahead of its reader, nor take a stream that broke off for a whole one.
// Next: render.ts lays text out, json_bytes.ts and line_writer.ts are the ways to the reader.

import type { Chunk, OngoingCall } from "../../contract/caller.ts";
import type { OperationDescription, StreamDescription } from "../../contract/description.ts";
import type { View } from "../../contract/operation.ts";
import { binaryGuard } from "./binary_guard.ts";
import type { Running } from "./context.ts";
import { jsonLine } from "./escape.ts";
import { JsonBytes } from "./json_bytes.ts";
import { LineWriter } from "./line_writer.ts";
import { fillTemplate, headingOf, renderOutput, rowOf } from "./render.ts";
import type { Saving } from "./save.ts";
import { Table } from "./table.ts";

/** Shows a call's stream and output; resolves to the output. */
export async function showCall(
  call: OngoingCall,
  operation: OperationDescription,
  { running, saving }: { readonly running: Running; readonly saving: Saving | undefined },
): Promise<unknown> {
  const { sends } = operation;
  if (saving) return saveStream(call, saving, running);
  const { view } = operation.cli;
  if (sends?.kind === "bytes") {
    const isPlayed = view?.kind === "bytes" && view.screen === true;
    if (isPlayed && isOnTerminal(running)) return playBytes(call, running);
    return showBytes(call, sends, running);
  }
  if (view?.kind === "output" && !running.globals.json) return showPieces(call, view, running);
  if (sends?.kind === "values") return showValues(call, operation, running);
  const output = await call.output;
  await showOutput(output, operation, running);
  return output;
}

/** Shows an output that came without a stream. */
export async function showOutput(
  output: unknown,
  { cli }: OperationDescription,
  { context, globals }: Running,
): Promise<void> {
  const { stdout } = context.stdio;
  if (globals.json) return stdout.write(jsonLine(output));
  await stdout.write(renderOutput(output, cli.view, layoutOf({ context, globals })));
}

/** Values as they come: a table, a line each, or JSON lines and nothing else. */
async function showValues(
  call: OngoingCall,
  { cli, lifetime }: OperationDescription,
  running: Running,
): Promise<unknown> {
  const { context, globals } = running;
  const writer = new LineWriter(context.stdio.stdout);
  const layout = layoutOf(running);
  const { view } = cli;
  const columns = view?.kind === "table" ? view.columns : [];
  const isLive = lifetime === "unbounded";
  const table = new Table({ ...layout, heading: headingOf(columns), isLive });
  const text = (value: unknown) => {
    if (globals.json) return jsonLine(value);
    if (view?.kind === "table") return table.add(rowOf(value, columns));
    if (view?.kind === "line") return `${fillTemplate(view.template, value)}\n`;
    return view?.kind === "none" ? "" : `${renderOutput(value, view, layout)}\n`;
  };
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind === "value") await writer.write(text(chunk.value));
    }
    if (view?.kind === "table" && !globals.json) await writer.write(table.finish());
  } finally {
    // What came before a failure is shown all the same.
    await writer.write(table.end());
    await writer.end();
  }
  return call.output;
}

/** Pieces of output as the bytes they were, each to its own stream; what is missing is said after them. */
async function showPieces(
  call: OngoingCall,
  view: Extract<View, { kind: "output" }>,
  { context, globals }: Running,
): Promise<unknown> {
  const { stdout, stderr } = context.stdio;
  for await (const chunk of call.chunks) {
    if (chunk.kind !== "value") continue;
    const piece = chunk.value as Readonly<Record<string, string | undefined>>;
    const bytes =
      piece.base64 === undefined
        ? new TextEncoder().encode(piece.text ?? "")
        : Buffer.from(piece.base64, "base64");
    await (piece[view.channel] === "stderr" ? stderr : stdout).write(bytes);
  }
  const output = await call.output;
  const dropped = (output as Readonly<Record<string, unknown>>)[view.dropped];
  if (typeof dropped === "number" && dropped > 0 && !globals.quiet)
    await stderr.write(`${dropped} bytes before these are no longer kept\n`);
  return output;
}

/** Bytes as they are, each channel to its own stream; with JSON a line a chunk, then `{"output": …}`. */
async function showBytes(
  call: OngoingCall,
  { channels }: Extract<StreamDescription, { kind: "bytes" }>,
  running: Running,
): Promise<unknown> {
  const { context, globals } = running;
  const { stdout, stderr } = context.stdio;
  const json = new JsonBytes(channels);
  const guard = channels.length === 0 ? binaryGuard(running) : undefined;
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind !== "bytes") continue;
      await guard?.admit(chunk.bytes);
      if (globals.json) await stdout.write(json.add(chunk.channel, chunk.bytes));
      else await (channels[chunk.channel] === "stderr" ? stderr : stdout).write(chunk.bytes);
    }
  } finally {
    if (globals.json) await stdout.write(json.end());
  }
  const output = await call.output;
  if (globals.json) await stdout.write(jsonLine({ output }));
  return output;
}

/** What another terminal was shown, on this one. */
async function playBytes(call: OngoingCall, { context }: Running): Promise<unknown> {
  const { stdout } = context.stdio;
  // Loaded only then, as what lends the terminal is.
  const { Screen } = await import("./screen.ts");
  const screen = new Screen();
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind !== "bytes") continue;
      await stdout.write(screen.shown(chunk.bytes, Number.POSITIVE_INFINITY));
    }
    return await call.output;
  } finally {
    await stdout.write(screen.restoring()).catch(() => {});
  }
}

function isOnTerminal({ context, globals }: Running): boolean {
  return context.stdio.stdout.isTty && !globals.json;
}

async function saveStream(
  call: OngoingCall,
  file: Saving,
  { context, globals }: Running,
): Promise<unknown> {
  for await (const chunk of call.chunks) await file.write(bytesOf(chunk));
  const output = await call.output;
  await file.commit();
  if (globals.json) await context.stdio.stdout.write(jsonLine(output));
  return output;
}

function bytesOf(chunk: Chunk): Uint8Array {
  if (chunk.kind === "bytes") return chunk.bytes;
  return new TextEncoder().encode(`${JSON.stringify(chunk.value)}\n`);
}

function layoutOf({ context, globals }: Running) {
  const { isTty, columns } = context.stdio.stdout;
  return { columns: isTty ? columns : Number.POSITIVE_INFINITY, hasHeading: !globals.quiet };
}
