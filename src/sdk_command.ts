// Commands as a tagged template: node.$`grep ${pattern} ${files}` becomes a list of words, never a line for a shell.
// It must never let a value become more or less than the words it was given as.
// Next: sdk_peer.ts hands it out; sdk_send.ts makes chunks of its input.

import type { Caller } from "./contract/caller.ts";
import type { OperationDescription } from "./contract/description.ts";
import { OperonError } from "./error.ts";
import { toIterable } from "./sdk_send.ts";

/** A value in a template: one word, or a list of words. */
export type CommandWord = string | number | bigint | boolean | readonly (string | number)[];

/** How a command is run, beyond its words. */
export interface CommandOptions {
  /** Virtual folder it runs in. */
  readonly cwd?: string;
  /** Variables beyond those policy passes on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Longest time it may take (s); then it is ended. */
  readonly timeout_secs?: number;
  /** Its standard input. */
  readonly send?: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array> | Uint8Array | string;
  readonly signal?: AbortSignal;
}

/** How a command ended, and what it printed. */
export interface CommandResult {
  readonly exit_code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** A command under way. Awaiting it, or one of its forms, waits for its end. */
export interface Command extends PromiseLike<CommandResult> {
  /** An exit code other than 0 is a result and no error. */
  nothrow(): Command;
  /** What it printed, as text. */
  text(): Promise<string>;
  /** What it printed, as JSON. */
  json(): Promise<unknown>;
  /** What it printed, by lines, without the last line's end. */
  lines(): Promise<readonly string[]>;
  /** What it printed. */
  bytes(): Promise<Uint8Array>;
  cancel(): void;
}

/** Runs a command from a template; with options first, gives a tag that has them. */
export interface CommandTag {
  (words: TemplateStringsArray, ...values: readonly CommandWord[]): Command;
  (options: CommandOptions): CommandTag;
}

interface CommandParts {
  readonly node: string;
  readonly caller: Caller;
  readonly operation: OperationDescription;
  readonly options?: CommandOptions;
}

/** The tag of one node. */
export function commandTag(parts: CommandParts): CommandTag {
  const tag = (first: TemplateStringsArray | CommandOptions, ...values: CommandWord[]) => {
    if (!isTemplate(first))
      return commandTag({ ...parts, options: { ...parts.options, ...first } });
    return start(parts, wordsOf(first, values));
  };
  return tag as CommandTag;
}

/** The words of a template. Quotes group, as in a shell; nothing else is special. @throws OperonError `sdk.command_invalid` */
export function wordsOf(parts: readonly string[], values: readonly CommandWord[]): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  const end = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  for (const [index, text] of parts.entries()) {
    for (const character of text) {
      if (quote !== "") {
        if (character === quote) quote = "";
        else word += character;
      } else if (character === '"' || character === "'") {
        quote = character;
        word ??= "";
      } else if (/\s/.test(character)) end();
      else word = (word ?? "") + character;
    }
    if (index >= values.length) continue;
    const value = values[index] as CommandWord;
    if (!Array.isArray(value)) {
      word = (word ?? "") + textOf(value);
      continue;
    }
    if (word !== undefined || quote !== "" || /^\S/.test(parts[index + 1] ?? ""))
      throw invalid("A list stands for words of its own: leave space on both sides of it");
    words.push(...value.map(textOf));
  }
  if (quote !== "") throw invalid(`A ${quote} is not closed`);
  end();
  if (words.length === 0) throw invalid("There is no command");
  return words;
}

function textOf(value: unknown): string {
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) return String(value);
  throw invalid("A value must be a text, a number or a list of them");
}

function start({ node, caller, operation, options = {} }: CommandParts, argv: string[]): Command {
  const { cwd, env, timeout_secs, send, signal } = options;
  const input = {
    [operation.cli.rest?.argv ?? "argv"]: argv,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(timeout_secs === undefined ? {} : { timeout_secs }),
  };
  const call = caller.call(node, operation.id, input, {
    ...(signal ? { signal } : {}),
    ...(send === undefined ? {} : { outgoing: toIterable(send) }),
  });
  const channels = operation.sends?.kind === "bytes" ? operation.sends.channels : [];
  const collect = async (): Promise<CommandResult> => {
    const parts: Record<string, Uint8Array[]> = { stdout: [], stderr: [] };
    for await (const chunk of call.chunks)
      if (chunk.kind === "bytes") parts[channels[chunk.channel] ?? "stdout"]?.push(chunk.bytes);
    const output = (await call.output) as Readonly<Record<string, unknown>>;
    return {
      exit_code: Number(output[operation.cli.exit_code ?? "exit_code"]),
      stdout: Buffer.concat(parts.stdout ?? []),
      stderr: Buffer.concat(parts.stderr ?? []),
    };
  };
  const result = collect();
  result.catch(() => {});
  return new RunningCommand({ program: argv[0] ?? "", result, cancel: () => call.cancel() });
}

class RunningCommand implements Command {
  readonly #parts: { program: string; result: Promise<CommandResult>; cancel: () => void };
  #throws = true;

  constructor(parts: { program: string; result: Promise<CommandResult>; cancel: () => void }) {
    this.#parts = parts;
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

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async lines(): Promise<readonly string[]> {
    const text = await this.text();
    return text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
  }

  cancel(): void {
    this.#parts.cancel();
  }

  async #settled(): Promise<CommandResult> {
    const result = await this.#parts.result;
    if (!this.#throws || result.exit_code === 0) return result;
    throw new OperonError({
      code: "sdk.command_failed",
      kind: "failed_precondition",
      message: `${this.#parts.program} ended with exit code ${result.exit_code}`,
      hint: "data.stderr has what it said; .nothrow() makes the exit code a result",
      data: { exit_code: result.exit_code, stderr: tail(result.stderr) },
    });
  }
}

const TAIL_BYTES = 4096;

function tail(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(-TAIL_BYTES));
}

function isTemplate(first: TemplateStringsArray | CommandOptions): first is TemplateStringsArray {
  return Array.isArray(first);
}

function invalid(message: string): OperonError {
  return new OperonError({ code: "sdk.command_invalid", kind: "invalid_argument", message });
}
