// Commands as a tagged template: node.$`grep ${pattern} ${files}` runs a list of words, never a line for a shell.
// It must never hold more of a command's output than its bounds.
// Next: command_words.ts makes the words; peer.ts hands out the tag.

import type { Caller, OngoingCall } from "../contract/caller.ts";
import type { OperationDescription } from "../contract/description.ts";
import { failedCall } from "../contract/pending_call.ts";
import { OperonError } from "../error.ts";
import { type CommandWord, commandWords } from "./command_words.ts";
import { toChunks } from "./send.ts";

/** Most of a command's output that is gathered (bytes, both channels); longer ones are read by lines. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
/** Longest line of {@link Command.lines} (characters). */
const LINE_CHARS_MAX = 16 * 1024 * 1024;
/** How much of the end of stderr an error carries (bytes). */
const TAIL_BYTES = 4096;

/** How a command is run, beyond its words. */
export interface CommandOptions {
  /** Virtual folder it runs in. */
  readonly cwd?: string | undefined;
  /** Variables, of those policy lets a caller set. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Longest time it may take (s); then it is killed and its exit code is 124. */
  readonly timeout_secs?: number | undefined;
  /** Its standard input; empty by default. */
  readonly send?:
    | AsyncIterable<Uint8Array | string>
    | Iterable<Uint8Array | string>
    | ReadableStream<Uint8Array>
    | Uint8Array
    | string
    | undefined;
  /** Kills it. */
  readonly signal?: AbortSignal | undefined;
}

/** How a command ended, and what it printed. */
export interface CommandResult {
  /** As a shell has it: 128 + n after signal n, 124 after a timeout. */
  readonly exit_code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/**
 * A command under way. Each of its forms rejects with `sdk.command_failed` when it ended with another exit code than 0
 * (which `data.exit_code` holds, and `data.stderr` the end of what it said), unless {@link Command.nothrow} was called.
 */
export interface Command extends PromiseLike<CommandResult> {
  /** An exit code other than 0 is a result and no error. */
  nothrow(): Command;
  /** Its standard output as text. */
  text(): Promise<string>;
  /** Its standard output as JSON. Also rejects with `sdk.output_no_json`. */
  json<Value = unknown>(): Promise<Value>;
  /** Its standard output. */
  bytes(): Promise<Uint8Array>;
  /** The lines of its standard output as they come, without their ends; leaving early kills it. Instead of the other forms. */
  lines(): AsyncIterableIterator<string>;
  /** Kills it. */
  cancel(): void;
}

/** Runs a command from a template; with options first, gives a tag that has them. */
export interface CommandTag {
  (words: TemplateStringsArray, ...values: readonly CommandWord[]): Command;
  (options: CommandOptions): CommandTag;
}

/** Where a tag's commands run, and by which operation. */
export interface CommandParts {
  readonly node: string;
  readonly caller: Caller;
  /** Takes words as its `cli.rest` says; sends bytes on channels `stdout` and `stderr`. */
  readonly operation: OperationDescription;
  readonly options?: CommandOptions;
}

/** The tag of one node. */
export function commandTag(parts: CommandParts): CommandTag {
  const tag = (first: TemplateStringsArray | CommandOptions, ...values: CommandWord[]) => {
    if (!isTemplate(first))
      return commandTag({ ...parts, options: { ...parts.options, ...first } });
    const words = commandWords(first.raw, values);
    return new RunningCommand(start(parts, words), words[0] as string, parts.operation);
  };
  return tag as CommandTag;
}

function isTemplate(first: TemplateStringsArray | CommandOptions): first is TemplateStringsArray {
  return Array.isArray(first);
}

function start({ node, caller, operation, options = {} }: CommandParts, words: string[]) {
  const { send, signal, ...fields } = options;
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const input = { ...Object.fromEntries(given), [operation.cli.rest?.argv ?? "argv"]: words };
  try {
    return caller.call(node, operation.id, input, {
      ...(signal ? { signal } : {}),
      ...(send === undefined ? {} : { outgoing: toChunks(send, operation.receives) }),
    });
  } catch (error) {
    return failedCall(error);
  }
}

class RunningCommand implements Command {
  readonly #call: OngoingCall;
  readonly #program: string;
  readonly #operation: OperationDescription;
  #gathered: Promise<CommandResult> | undefined;
  #isReadByLines = false;
  #throws = true;

  constructor(call: OngoingCall, program: string, operation: OperationDescription) {
    this.#call = call;
    this.#program = program;
    this.#operation = operation;
    // One that nobody awaits runs, too; who wants its lines says so at once.
    queueMicrotask(() => {
      if (!this.#isReadByLines) this.#gather();
    });
  }

  nothrow(): Command {
    this.#throws = false;
    return this;
  }

  // biome-ignore lint/suspicious/noThenProperty: a command is awaited like a promise, and told nothrow() before
  then<Value = CommandResult, Failure = never>(
    fulfilled?: ((result: CommandResult) => Value | PromiseLike<Value>) | null,
    rejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Value | Failure> {
    return this.#settled().then(fulfilled, rejected);
  }

  async bytes(): Promise<Uint8Array> {
    return (await this.#settled()).stdout;
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json<Value>(): Promise<Value> {
    const text = await this.text();
    try {
      return JSON.parse(text) as Value;
    } catch (cause) {
      throw new OperonError({
        code: "sdk.output_no_json",
        kind: "data_loss",
        message: `What ${this.#program} printed is no JSON`,
        hint: "Look at it with .text()",
        cause,
      });
    }
  }

  lines(): AsyncIterableIterator<string> {
    if (this.#gathered || this.#isReadByLines) throw alreadyRead();
    this.#isReadByLines = true;
    return this.#lines();
  }

  cancel(): void {
    this.#call.cancel();
  }

  #gather(): Promise<CommandResult> {
    if (this.#isReadByLines) throw alreadyRead();
    this.#gathered ??= this.#collect();
    this.#gathered.catch(() => {});
    return this.#gathered;
  }

  async #settled(): Promise<CommandResult> {
    const result = await this.#gather();
    this.#check(result.exit_code, result.stderr);
    return result;
  }

  async #collect(): Promise<CommandResult> {
    const parts: { stdout: Uint8Array[]; stderr: Uint8Array[] } = { stdout: [], stderr: [] };
    let size = 0;
    for await (const { channel, bytes } of this.#chunks()) {
      size += bytes.byteLength;
      if (size > OUTPUT_BYTES_MAX) throw this.#tooLarge();
      parts[channel].push(bytes);
    }
    return {
      exit_code: await this.#exitCode(),
      stdout: Buffer.concat(parts.stdout),
      stderr: Buffer.concat(parts.stderr),
    };
  }

  async *#lines(): AsyncGenerator<string, undefined> {
    const decoder = new TextDecoder();
    let isOver = false;
    let begun = "";
    let stderr: Uint8Array = new Uint8Array();
    try {
      for await (const { channel, bytes } of this.#chunks()) {
        if (channel === "stderr") {
          stderr = Buffer.concat([stderr, bytes]).subarray(-TAIL_BYTES);
          continue;
        }
        const lines = (begun + decoder.decode(bytes, { stream: true })).split("\n");
        begun = lines.pop() ?? "";
        if (begun.length > LINE_CHARS_MAX) throw this.#tooLarge();
        for (const line of lines) yield withoutReturn(line);
      }
      isOver = true;
    } finally {
      if (!isOver) this.cancel();
    }
    begun += decoder.decode();
    if (begun !== "") yield withoutReturn(begun);
    this.#check(await this.#exitCode(), stderr);
    return undefined;
  }

  async *#chunks(): AsyncGenerator<{ channel: "stdout" | "stderr"; bytes: Uint8Array }, undefined> {
    const { sends } = this.#operation;
    const stderr = sends?.kind === "bytes" ? sends.channels.indexOf("stderr") : -1;
    for await (const chunk of this.#call.chunks) {
      if (chunk.kind !== "bytes") continue;
      yield { channel: chunk.channel === stderr ? "stderr" : "stdout", bytes: chunk.bytes };
    }
    return undefined;
  }

  async #exitCode(): Promise<number> {
    const output = (await this.#call.output) as Readonly<Record<string, unknown>>;
    return Number(output[this.#operation.cli.exit_code ?? "exit_code"]);
  }

  #check(exit_code: number, stderr: Uint8Array): void {
    if (!this.#throws || exit_code === 0) return;
    throw new OperonError({
      code: "sdk.command_failed",
      kind: "failed_precondition",
      message: `${this.#program} ended with exit code ${exit_code}`,
      hint: "data.stderr has the end of what it said; .nothrow() makes the exit code a result",
      data: { exit_code, stderr: new TextDecoder().decode(stderr.subarray(-TAIL_BYTES)) },
    });
  }

  #tooLarge(): OperonError {
    this.cancel();
    return new OperonError({
      code: "sdk.output_too_large",
      kind: "resource_exhausted",
      message: `${this.#program} printed more than fits here, and was stopped`,
      hint: "Read it by .lines(), or write to a file on the node and read that as a stream",
    });
  }
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function alreadyRead(): OperonError {
  return new OperonError({
    code: "sdk.command_read",
    kind: "failed_precondition",
    message: "The output of a command is read once: by lines, or gathered",
    hint: "Call .lines() right after the template, and no other form",
  });
}
