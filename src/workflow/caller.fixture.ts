import type { Caller, CallOptions, CallReceipt, Chunk, OngoingCall } from "../contract/caller.ts";
import type { OperationDescription } from "../contract/description.ts";

/** What a fake node does with a call. */
export interface FakeAnswer {
  readonly chunks?: readonly Chunk[];
  readonly output?: unknown;
  readonly error?: unknown;
  readonly receipt?: CallReceipt | undefined;
  /** Never answers; ends only when cancelled. */
  readonly hangs?: boolean;
}

/** A call as the fake node got it. */
export interface SeenCall {
  readonly node: string;
  readonly operation: string;
  readonly input: unknown;
  readonly options: CallOptions;
  readonly received: readonly unknown[];
}

const RECEIPT: CallReceipt = {
  node: "ed25519:node",
  decision: { verdict: "allow", reason: "allowed" },
  audit: { sequence: 7, hash: "ab".repeat(32) },
};

/** A caller whose calls are answered by a function; it keeps what it saw. */
export function fakeCaller(
  answer: (call: SeenCall) => FakeAnswer,
): Caller & { readonly seen: SeenCall[] } {
  const seen: SeenCall[] = [];
  const start = (node: string, operation: string, input: unknown, options: CallOptions = {}) => {
    const answered = (async () => {
      const received = await Array.fromAsync(options.outgoing ?? []);
      const call = { node, operation, input, options, received };
      seen.push(call);
      const given = answer(call);
      if (given.hangs) await aborted(options.signal);
      if (given.error !== undefined) throw given.error;
      return given;
    })();
    const ongoing: OngoingCall = {
      chunks: (async function* () {
        yield* (await answered).chunks ?? [];
      })(),
      output: answered.then((given) => given.output),
      receipt: answered.then(
        (given) => ("receipt" in given ? given.receipt : RECEIPT),
        () => undefined,
      ),
      cancel: () => {},
    };
    return ongoing;
  };
  return { call: start, seen, [Symbol.asyncDispose]: async () => {} };
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** A chunk of text on a channel. */
export function text(content: string, channel = 0): Chunk {
  return { kind: "bytes", channel, bytes: Buffer.from(content) };
}

function description(
  id: string,
  fields: Readonly<Record<string, { readonly type: string }>>,
  more: Partial<OperationDescription> = {},
): OperationDescription {
  const [capability = "", name = ""] = id.split(".");
  return {
    id,
    capability,
    name,
    summary: id,
    effect: "read",
    input: { type: "object", properties: fields, additionalProperties: false },
    output: {},
    errors: {},
    cli: { node: "argument" },
    examples: [],
    lifetime: "bounded",
    ...more,
  };
}

const STRING = { type: "string" };

/** Operations as a node would describe them. */
export const OPERATIONS: readonly OperationDescription[] = [
  description(
    "fs.read",
    { path: STRING, length_bytes: { type: "integer" } },
    {
      input: {
        type: "object",
        properties: { path: STRING, length_bytes: { type: "integer" } },
        required: ["path"],
      },
      output: { type: "object", properties: { size_bytes: {}, version: {} } },
      sends: { kind: "bytes", channels: [] },
    },
  ),
  description(
    "fs.write",
    { path: STRING, expected_version: STRING },
    {
      receives: { kind: "bytes", channels: [] },
    },
  ),
  description("fs.list", { path: STRING }, { sends: { kind: "values", item: {} } }),
  description(
    "exec.run",
    {
      argv: { type: "array" },
      command: STRING,
      cwd: STRING,
      timeout_secs: { type: "number" },
      secrets: { type: "array" },
    },
    {
      sends: { kind: "bytes", channels: ["stdout", "stderr"] },
      cli: {
        node: "argument",
        rest: { argv: "argv", shell: "command" },
        exit_code: "exit_code",
      },
      lifetime: "unbounded",
    },
  ),
];

/** Finds one of {@link OPERATIONS}. */
export function describeOperation(id: string): OperationDescription | undefined {
  return OPERATIONS.find((operation) => operation.id === id);
}
