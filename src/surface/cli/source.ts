// What feeds the caller's stream: a text, a local file, or standard input. Bytes are read as the node asks for them.
// It must never send nothing where something was meant: without any source, an operation that wants content is refused.
// Next: run_operation.ts hands it to the call.

import type { FileHandle } from "node:fs/promises";
import type { OperationDescription } from "../../contract/description.ts";
import { CHUNK_BYTES_MAX } from "../../limits.ts";
import type { CallPlan } from "./input.ts";
import type { Stdio } from "./stdio.ts";
import { usageError } from "./usage_error.ts";

/** A source; `failure` is what broke it, once it is broken. */
export interface Source extends AsyncDisposable {
  readonly items: AsyncIterable<unknown>;
  readonly failure: unknown;
  /** How much it is going to be (bytes), when a file tells. */
  readonly sizeBytes: number | undefined;
  /** Whether it comes from a terminal. */
  readonly isTyped: boolean;
}

/**
 * The source of a call, opened; `undefined` when there is nothing to send.
 * @throws OperonError `cli.content_missing`, `cli.file_unreadable`
 */
export async function openSource(
  operation: OperationDescription,
  plan: CallPlan,
  stdio: Stdio,
): Promise<Source | undefined> {
  const { receives, cli } = operation;
  if (!receives) return undefined;
  const shape = cli.receives ?? { stdin: "piped" as const };
  if (plan.text !== undefined && plan.file !== undefined) {
    throw usageError(
      "argument_unexpected",
      `--${shape.text_flag} and --${shape.file_flag} are both given`,
      "Give one of them",
    );
  }
  const isValues = receives.kind === "values";
  if (plan.text !== undefined) return source(textBytes(plan.text), { isValues });
  if (plan.file !== undefined) {
    const file = await openFile(plan.file);
    const { size } = await file.stat();
    return source(fileChunks(file, plan.file), { isValues, file, sizeBytes: size || undefined });
  }
  const isRead = shape.stdin === "always" || (shape.stdin === "piped" && stdio.stdin.isPiped);
  if (isRead && shape.hidden && stdio.stdin.isTty)
    return source(hiddenLine(stdio), { isValues, isTyped: true });
  if (isRead) return source(stdio.stdin.chunks(), { isValues, isTyped: stdio.stdin.isTty });
  const flags = [shape.text_flag, shape.file_flag].flatMap((name) => (name ? [`--${name}`] : []));
  if (flags.length === 0) return undefined;
  throw usageError(
    "content_missing",
    "There is nothing to send",
    `Give ${flags.join(" or ")}${shape.stdin === "never" ? "" : ", or pipe it in"}`,
  );
}

interface SourceParts {
  readonly isValues: boolean;
  readonly file?: FileHandle;
  readonly sizeBytes?: number | undefined;
  readonly isTyped?: boolean;
}

function source(
  bytes: AsyncIterable<Uint8Array>,
  { isValues, file, sizeBytes, isTyped = false }: SourceParts,
): Source {
  const state: { failure: unknown } = { failure: undefined };
  async function* items(): AsyncGenerator<unknown, undefined> {
    try {
      if (isValues) yield* jsonLines(bytes);
      else yield* bytes;
    } catch (error) {
      state.failure = error;
      throw error;
    }
    return undefined;
  }
  return {
    items: items(),
    sizeBytes,
    isTyped,
    get failure() {
      return state.failure;
    },
    async [Symbol.asyncDispose]() {
      await file?.close().catch(() => {});
    },
  };
}

async function* hiddenLine({ stdin, stderr }: Stdio): AsyncGenerator<Uint8Array, undefined> {
  // Loaded when somebody types one: most commands ask for none.
  const { readHiddenLine } = await import("./hidden_line.ts");
  const keys = stdin.takeKeys?.();
  if (!keys) return undefined;
  await stderr.write("Value (not shown): ");
  const line = await readHiddenLine(keys);
  await stderr.write("\n");
  if (line.byteLength > 0) yield line;
  return undefined;
}

async function* textBytes(text: string): AsyncGenerator<Uint8Array, undefined> {
  if (text !== "") yield new TextEncoder().encode(text);
  return undefined;
}

async function openFile(path: string): Promise<FileHandle> {
  // Loaded when a file is named: most commands name none.
  const { open } = await import("node:fs/promises");
  try {
    const file = await open(path, "r");
    if (!(await file.stat()).isDirectory()) return file;
    await file.close();
    throw unreadable(path, "it is a folder");
  } catch (error) {
    throw toUnreadable(path, error);
  }
}

async function* fileChunks(file: FileHandle, path: string): AsyncGenerator<Uint8Array, undefined> {
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, null);
      if (bytesRead === 0) return undefined;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw toUnreadable(path, error);
  }
}

async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let number = 0;
  for await (const chunk of chunks) {
    const lines = (rest + decodeText(decoder, chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_CHARS_MAX) throw lineInvalid(number + 1, "is too long");
    for (const line of lines) {
      number++;
      if (line.trim() !== "") yield parseLine(line, number);
    }
  }
  if (rest.trim() !== "") yield parseLine(rest, number + 1);
  return undefined;
}

/** Longest line of values (UTF-16 units): a value must fit a chunk anyway. */
const LINE_CHARS_MAX = 1024 * 1024;

function decodeText(decoder: TextDecoder, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true });
  } catch {
    throw usageError("value_invalid", "The input is not text (UTF-8)");
  }
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw lineInvalid(number, "is not JSON");
  }
}

function lineInvalid(number: number, why: string) {
  return usageError(
    "value_invalid",
    `Line ${number} of the input ${why}`,
    "Send one JSON value a line",
  );
}

function toUnreadable(path: string, error: unknown) {
  const { code, name } = error as NodeJS.ErrnoException;
  return name === "OperonError" ? error : unreadable(path, code ?? "unknown reason");
}

function unreadable(path: string, why: string) {
  return usageError(
    "file_unreadable",
    `${JSON.stringify(path)} cannot be read (${why})`,
    "The file is read on this machine; check its name",
  );
}
