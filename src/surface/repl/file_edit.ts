// `edit PATH`: a copy of the file in this machine's editor, written back when it was changed.
// It must never overwrite what somebody else wrote meanwhile, nor lose what was typed.
// Next: shell_part.ts finds the operations that read and write.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Caller } from "../../contract/caller.ts";
import { OperonError } from "../../error.ts";
import { escapeText } from "../cli/escape.ts";
import type { LineContext } from "./line_context.ts";
import { type Place, placeAt, placeText } from "./place.ts";
import { partOf, pathInput } from "./shell_part.ts";

/** Largest file that is edited (bytes): it is in memory and in an editor. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** What is edited: `undefined` where there is no file yet. */
interface Original {
  readonly bytes: Uint8Array;
  readonly version: unknown;
}

/** @throws OperonError `cli.terminal_missing`, `cli.edit_failed`, and those of reading and writing */
export async function editFile(word: string, context: LineContext): Promise<number> {
  const { terminal } = context.shell.parts;
  const { env, stdio } = context.running.context;
  if (!terminal) throw terminalMissing("edit");
  const place = placeAt(context.scope.place, word);
  const original = await withCaller(context, (caller) => readOriginal(caller, place, context));
  const folder = await mkdtemp(join(tmpdir(), "operon-edit-"));
  const path = join(folder, fileName(place));
  let isKept = false;
  try {
    await writeFile(path, original?.bytes ?? new Uint8Array(), { mode: 0o600 });
    const code = await terminal.runProgram([...editorOf(env), path]);
    if (code !== 0) throw editFailed(`The editor ended with exit code ${code}`);
    const edited = await readFile(path);
    if (Buffer.compare(edited, original?.bytes ?? new Uint8Array()) === 0) {
      await stdio.stderr.write("Nothing was changed\n");
      return 0;
    }
    await withCaller(context, (caller) =>
      writeBack(caller, { place, original, edited, context }),
    ).catch((error) => {
      isKept = true;
      throw error;
    });
    return 0;
  } finally {
    if (isKept) await stdio.stderr.write(`Your text is kept in ${escapeText(path)}\n`);
    else await rm(folder, { recursive: true, force: true });
  }
}

/** What a command says that needs a terminal where there is none. */
export function terminalMissing(name: string): OperonError {
  return new OperonError({
    code: "cli.terminal_missing",
    kind: "failed_precondition",
    message: `${name} needs a terminal`,
    hint: "Start the shell on one",
  });
}

async function withCaller<Result>(
  { running }: LineContext,
  use: (caller: Caller) => Promise<Result>,
): Promise<Result> {
  await using caller = await running.context.connect(running.globals);
  return await use(caller);
}

async function readOriginal(
  caller: Caller,
  place: Place,
  { shell, running }: LineContext,
): Promise<Original | undefined> {
  const operation = partOf(shell.table, "file_source");
  const { signal } = running.context;
  const call = caller.call(place.node, operation.id, pathInput(operation, place), { signal });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind !== "bytes") continue;
      chunks.push(chunk.bytes);
      size += chunk.bytes.byteLength;
      if (size <= FILE_BYTES_MAX) continue;
      call.cancel();
      throw editFailed(`${placeText(place)} is too large to be edited`);
    }
    const output = (await call.output) as { readonly version?: unknown };
    return { bytes: Buffer.concat(chunks), version: output.version };
  } catch (error) {
    if (error instanceof OperonError && error.kind === "not_found") return undefined;
    throw error;
  }
}

interface WriteParts {
  readonly place: Place;
  readonly original: Original | undefined;
  readonly edited: Uint8Array;
  readonly context: LineContext;
}

async function writeBack(caller: Caller, parts: WriteParts): Promise<void> {
  const { place, original, edited, context } = parts;
  const operation = partOf(context.shell.table, "file_sink");
  const guard = original ? { expected_version: original.version } : { require_absent: true };
  async function* content() {
    if (edited.byteLength > 0) yield edited;
  }
  const input = { ...pathInput(operation, place), ...guard };
  const { signal } = context.running.context;
  await caller.call(place.node, operation.id, input, { signal, outgoing: content() }).output;
}

/** `$VISUAL`, else `$EDITOR`, words and all; else vi. */
function editorOf(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const words = (env.VISUAL || env.EDITOR || "vi").split(/\s+/).filter((word) => word !== "");
  return words.length > 0 ? words : ["vi"];
}

/** The file's own name, so that an editor knows its kind; nothing a hostile name could do with it. */
function fileName({ path }: Place): string {
  const name = basename(path)
    .replace(/[^A-Za-z0-9._-]/g, "_")
    .slice(-100);
  return /^[._-]*$/.test(name) ? `file${name}` : name.replace(/^-+/, "_");
}

function editFailed(message: string): OperonError {
  return new OperonError({
    code: "cli.edit_failed",
    kind: "failed_precondition",
    message,
    hint: "Nothing was written; VISUAL or EDITOR names the editor",
  });
}
