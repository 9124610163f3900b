// A CLI whose process and nodes are scripted: what was written, what was called, what is answered.

import { ManualClock } from "../../../test/clock.ts";
import type {
  Caller,
  CallOptions,
  CallReceipt,
  Chunk,
  OngoingCall,
} from "../../contract/caller.ts";
import type { CapabilityDescription } from "../../contract/description.ts";
import { type ErrorDocument, fromErrorDocument, OperonError } from "../../error.ts";
import { BOX } from "./box.fixture.ts";
import { runCli } from "./cli.ts";
import type { Input, Output, Stdio } from "./stdio.ts";
import type { HandWrittenVerb } from "./verb.ts";

/** What a scripted node does, in order; the last one is `output` or `error`. */
export type Answer =
  | { readonly text: string; readonly channel?: number }
  | { readonly base64: string; readonly channel?: number }
  | { readonly value: unknown }
  | { readonly output: unknown }
  | { readonly error: ErrorDocument }
  /** Never ends until it is cancelled. */
  | { readonly hang: true }
  /** Never ends, not even then. */
  | { readonly mute: true };

/** A call that was made. */
export interface MadeCall {
  readonly node: string;
  readonly operation: string;
  readonly input: unknown;
  readonly timeoutMs: number | undefined;
  /** All the bytes or values the caller sent. */
  sent: string | readonly unknown[] | undefined;
  isCancelled: boolean;
}

/** How the CLI is run. */
export interface CliCase {
  readonly argv: readonly string[];
  readonly capabilities: readonly CapabilityDescription[];
  readonly answers?: readonly Answer[];
  /** Default: allowed by the first rule of role operator. */
  readonly receipt?: CallReceipt;
  readonly verbs?: readonly HandWrittenVerb[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; a terminal when `isTty`, nothing when absent. */
  readonly stdin?: string | Uint8Array;
  readonly isTty?: boolean;
  readonly columns?: number;
  /** Standard output accepts this many bytes, then its reader is gone. */
  readonly stdoutBytesMax?: number;
  readonly signal?: AbortSignal;
  readonly clock?: ManualClock;
  readonly connectError?: OperonError;
  /** Called when a call begins. */
  readonly onCall?: (call: MadeCall) => void;
}

/** What came of it. */
export interface CliOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
  readonly calls: readonly MadeCall[];
  readonly connected: readonly unknown[];
}

/** Runs one command line against scripted nodes. */
export async function runCase(options: CliCase): Promise<CliOutcome> {
  const { isTty = false, columns = 80 } = options;
  const stdout = new Captured(isTty, columns, options.stdoutBytesMax);
  const stderr = new Captured(isTty, columns);
  const calls: MadeCall[] = [];
  const connected: unknown[] = [];
  const stdio: Stdio = { stdin: scriptedInput(options), stdout, stderr };
  const exitCode = await runCli(options.argv, {
    describe: async () => options.capabilities,
    connect: async ({ home, config, identity }) => {
      connected.push({ home, config, identity });
      if (options.connectError) throw options.connectError;
      return new ScriptedCaller(options, calls);
    },
    verbs: options.verbs ?? [],
    stdio,
    env: options.env ?? {},
    clock: options.clock ?? new ManualClock(),
    version: "1.2.3",
    signal: options.signal ?? new AbortController().signal,
  });
  return {
    exitCode,
    stdout: stdout.text,
    stdoutBytes: stdout.bytes,
    stderr: stderr.text,
    calls,
    connected,
  };
}

class Captured implements Output {
  readonly isTty: boolean;
  readonly columns: number;
  readonly #bytesMax: number;
  readonly #chunks: Uint8Array[] = [];
  #taken = 0;

  constructor(isTty: boolean, columns: number, bytesMax = Number.POSITIVE_INFINITY) {
    this.isTty = isTty;
    this.columns = columns;
    this.#bytesMax = bytesMax;
  }

  async write(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
    this.#taken += bytes.byteLength;
    if (this.#taken > this.#bytesMax) {
      throw new OperonError({
        code: "cli.output_closed",
        kind: "cancelled",
        message: "Nobody reads the output any more",
      });
    }
    this.#chunks.push(bytes);
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}

function scriptedInput({ stdin, isTty = false }: CliCase): Input {
  return {
    isTty,
    isPiped: stdin !== undefined && !isTty,
    async *chunks() {
      if (stdin === undefined) return undefined;
      yield typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
      return undefined;
    },
  };
}

class ScriptedCaller implements Caller {
  readonly #case: CliCase;
  readonly #calls: MadeCall[];

  constructor(options: CliCase, calls: MadeCall[]) {
    this.#case = options;
    this.#calls = calls;
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const made: MadeCall = {
      node,
      operation,
      input,
      timeoutMs: options.timeout_ms,
      sent: undefined,
      isCancelled: false,
    };
    this.#calls.push(made);
    this.#case.onCall?.(made);
    return scriptedCall(made, this.#case, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const RECEIPT: CallReceipt = {
  node: "ed25519:test",
  decision: { verdict: "allow", reason: "allowed", rule: { role: "operator", index: 0 } },
};

function scriptedCall(
  made: MadeCall,
  { answers = [{ output: {} }], receipt = RECEIPT }: CliCase,
  { outgoing, signal }: CallOptions,
): OngoingCall {
  const cancelled = Promise.withResolvers<never>();
  cancelled.promise.catch(() => {});
  const cancel = () => {
    made.isCancelled = true;
    cancelled.reject(
      new OperonError({
        code: "node.cancelled",
        kind: "cancelled",
        message: "The call was cancelled",
      }),
    );
  };
  signal?.addEventListener("abort", cancel);
  if (signal?.aborted) cancel();
  const sending = outgoing ? collect(outgoing, made).catch(cancel) : undefined;
  const last = answers.at(-1);
  const output = (async () => {
    await sending;
    if (last && "mute" in last) await new Promise(() => {});
    if (made.isCancelled) await cancelled.promise;
    if (last && "error" in last) throw fromErrorDocument(last.error);
    if (last && "hang" in last) await cancelled.promise;
    return last && "output" in last ? last.output : {};
  })();
  output.catch(() => {});
  async function* chunks(): AsyncGenerator<Chunk, undefined> {
    for (const answer of answers) {
      const chunk = toChunk(answer);
      if (made.isCancelled) break;
      if (chunk) yield chunk;
    }
    await output;
    return undefined;
  }
  return {
    chunks: chunks(),
    output,
    receipt: Promise.resolve(receipt),
    cancel,
  };
}

function toChunk(answer: Answer): Chunk | undefined {
  if ("value" in answer) return { kind: "value", value: answer.value };
  if ("text" in answer) {
    const bytes = new TextEncoder().encode(answer.text);
    return { kind: "bytes", channel: answer.channel ?? 0, bytes };
  }
  if ("base64" in answer) {
    const bytes = new Uint8Array(Buffer.from(answer.base64, "base64"));
    return { kind: "bytes", channel: answer.channel ?? 0, bytes };
  }
  return undefined;
}

async function collect(source: AsyncIterable<unknown>, made: MadeCall): Promise<void> {
  const items: unknown[] = [];
  for await (const item of source)
    items.push(item instanceof Uint8Array ? new Uint8Array(item) : item);
  const isBytes = items.every((item) => item instanceof Uint8Array);
  made.sent = isBytes ? Buffer.concat(items as Uint8Array[]).toString() : items;
}

/** Runs a command line against {@link BOX}. */
export function box(
  argv: readonly string[],
  options: Omit<CliCase, "argv" | "capabilities"> = {},
): Promise<CliOutcome> {
  return runCase({ ...options, argv, capabilities: [BOX] });
}
