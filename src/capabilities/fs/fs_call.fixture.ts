// For tests: real folders below real mounts, and calls of the handlers as the node makes them, without the node.
// It must never be imported by anything but tests.
// Next: the *.test.ts files beside it.

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Call } from "../../contract/capability.ts";
import type { Access, AnyOperation } from "../../contract/operation.ts";
import { OperonError } from "../../error.ts";
import { HostMounts } from "../../node/mounts/host_mounts.ts";
import type { Mount } from "../../policy/mount.ts";
import { createMountTable } from "../../policy/mount_table.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** How a test calls. */
export interface CallParts {
  readonly content?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  /** What policy says about accesses the handler asks for; default: yes. */
  readonly authorize?: (access: Access) => boolean;
}

/** What a call gave. */
export interface CallResult {
  // biome-ignore lint/suspicious/noExplicitAny: tests look at outputs of all operations through this
  readonly output: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly values: any[];
  readonly text: string;
  readonly bytes: Buffer;
}

type Name = keyof typeof operations;

/** A temporary host folder with mounts in it; dispose it to remove everything. */
export class FsBench implements Disposable {
  /** Host folder that holds the mounts' folders. */
  readonly host: string;
  readonly mounts: HostMounts;

  constructor(mounts: (host: string) => readonly Mount[], options: { base?: string } = {}) {
    this.host = mkdtempSync(join(options.base ?? tmpdir(), "operon-fs-"));
    this.mounts = new HostMounts(createMountTable(mounts(this.host)));
  }

  /** Calls a handler with an input that is parsed as the node would. */
  async call(name: Name, input: unknown, parts: CallParts = {}): Promise<CallResult> {
    const operation: AnyOperation = operations[name];
    const parsed = operation.input.parse(input);
    const accesses = operation.resource(parsed, { node_id: "test", mounts: this.mounts });
    if (accesses.length === 0) throw new Error("An operation that touches nothing");
    const handler = handlers[name] as (input: unknown, call: Call) => unknown;
    const running = handler(parsed, this.#call(name, parts));
    const result: unknown[] = [];
    if (!operation.sends) return this.#result(operation, await running, result);
    const generator = running as AsyncGenerator<unknown, unknown>;
    for (;;) {
      const next = await generator.next();
      if (next.done) return this.#result(operation, next.value, result);
      // As the node does: a handler may fill what it gave again.
      result.push(next.value instanceof Uint8Array ? new Uint8Array(next.value) : next.value);
    }
  }

  /** The chunks of `fs.read` as they come. */
  stream(input: unknown, parts: CallParts = {}): AsyncGenerator<Uint8Array, unknown> {
    return handlers.read(operations.read.input.parse(input), this.#call("read", parts) as never);
  }

  /** The events of `fs.watch` as they come. */
  watch(
    input: unknown,
    parts: CallParts = {},
  ): AsyncGenerator<{ readonly event: string; readonly path: string }, unknown> {
    const parsed = operations.watch.input.parse(input);
    return handlers.watch(parsed, this.#call("watch", parts) as never);
  }

  /** All chunks of `fs.read`. */
  async chunks(input: unknown): Promise<Uint8Array[]> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.stream(input)) chunks.push(new Uint8Array(chunk));
    return chunks;
  }

  /** The entries of `fs.list` as they come. */
  entries(input: unknown): AsyncGenerator<{ readonly name: string }, unknown> {
    return handlers.list(operations.list.input.parse(input), this.#call("list", {}) as never);
  }

  /** The code a call fails with; `undefined` when it does not. */
  async failure(name: Name, input: unknown, parts: CallParts = {}): Promise<string | undefined> {
    try {
      await this.call(name, input, parts);
    } catch (error) {
      if (error instanceof OperonError) return error.code;
      throw error;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    rmSync(this.host, { recursive: true, force: true });
  }

  #result(operation: AnyOperation, output: unknown, chunks: unknown[]): CallResult {
    operation.output.parse(output);
    if (operation.sends?.kind === "values") {
      for (const value of chunks) operation.sends.item.parse(value);
      return { output, values: chunks, text: "", bytes: Buffer.alloc(0) };
    }
    const bytes = Buffer.concat(chunks as Uint8Array[]);
    return { output, values: [], text: bytes.toString(), bytes };
  }

  #call(name: Name, { content, signal, authorize }: CallParts): Call {
    const declared = operations[name].errors as AnyOperation["errors"];
    return {
      operation: `fs.${name}`,
      principal: { id: "ed25519:test", name: "test", roles: [] },
      via: undefined,
      signal: signal ?? new AbortController().signal,
      deadline_ms: Number.MAX_SAFE_INTEGER,
      trace: { trace_id: "0".repeat(32), span_id: "0".repeat(16) },
      facts: {},
      incoming: incoming(content ?? ""),
      services: {
        mounts: this.mounts,
        outbound: { callerFor: () => undefined, handOn: async () => EMPTY_CALL },
      } as unknown as Call["services"],
      endSending: () => {},
      authorize: authorize ?? (() => true),
      fail: (error: string, data?: Readonly<Record<string, unknown>>, cause?: unknown) => {
        const parts = declared[error];
        if (!parts) throw new Error(`fs.${error} is not declared by ${name}`);
        return new OperonError({ code: `fs.${error}`, ...parts, cause, ...(data ? { data } : {}) });
      },
    } as unknown as Call;
  }
}

/** A call to another node that sent nothing. */
const EMPTY_CALL = {
  chunks: (async function* () {})(),
  output: Promise.resolve({}),
  receipt: Promise.resolve(undefined),
  cancel: () => {},
};

/** One mount `workspace` at `/`, in the host folder `ws`. */
export function workspace(host: string): readonly Mount[] {
  return [{ name: "workspace", at: "/", path: join(host, "ws"), read_only: false }];
}

async function* incoming(content: string | Uint8Array | AsyncIterable<Uint8Array>) {
  if (typeof content === "string") yield Buffer.from(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}

/** Open descriptors of this process for anything below a host folder: what a test leaks shows here. */
export function descriptorsBelow(host: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(host);
    } catch {
      return false;
    }
  }).length;
}
