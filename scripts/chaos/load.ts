// Callers that keep a node busy and remember exactly what it acknowledged.
// It must never count as acknowledged what ended in an error, nor as failed what only never answered.
// Next: verdict.ts compares its memory with what is on the disk and in the audit log.

import type { Caller } from "../../src/contract/caller.ts";
import { OperonError } from "../../src/error.ts";
import { type CallResult, collect } from "../../test/harness/mesh.ts";
import type { NodeProcess } from "./node_process.ts";
import type { Random } from "./random.ts";
import { eventually, pause } from "./world.ts";

/** Longest a call may stay without any answer (ms) before it counts as hung. */
const HUNG_MS = 60_000;
const BODY_BYTES_MAX = 200_000;
const FILES_PER_WORKER = 3;

/** Errors that tell honestly that a node is away or going. */
const AWAY: ReadonlySet<string> = new Set([
  "wire.session_closed",
  "wire.no_daemon",
  "wire.unreachable",
  "wire.handshake_refused",
  "wire.handshake_timeout",
  "node.unreachable",
  "node.shutting_down",
  "node.deadline_exceeded",
]);

/** What is known of one file: which versions were tried, and the last one acknowledged. */
export interface FileMemory {
  attempted: number;
  acknowledged: number;
}

/** Where the node says it wrote a decision down. */
export interface Receipt {
  readonly operation: string;
  readonly sequence: number;
  readonly hash: string;
}

/** How a load is made. */
export interface LoadOptions {
  /** The node that is to do the work. */
  readonly target: NodeProcess;
  /** Whose local sockets the callers use: the target's own, or another node's, which calls on over the network. */
  readonly through: readonly NodeProcess[];
  readonly random: Random;
  /** Codes besides those of a node that is away. */
  readonly tolerated?: readonly string[];
  readonly timeout_ms?: number;
  /** Without commands that append to a file: where a disk is full, these may leave half a line. */
  readonly withoutCommands?: boolean;
}

/** Workers, each with files of its own so that the order of its versions is known. */
export class Load {
  readonly target: NodeProcess;
  readonly files = new Map<string, FileMemory>();
  /** Lines appended by commands, by file: each is written at most once, acknowledged ones exactly once. */
  readonly lines = new Map<string, { attempted: Set<string>; acknowledged: Set<string> }>();
  /** Names in the workspace that others may have made. */
  readonly foreign = new Set<string>();
  readonly receipts: Receipt[] = [];
  readonly errors = new Map<string, number>();
  /** What no caller should ever see. */
  readonly unexpected: string[] = [];
  calls = 0;
  /** The longest any call took (ms). */
  slowestMs = 0;
  readonly #options: LoadOptions;
  readonly #workers: Worker[];

  constructor(options: LoadOptions) {
    this.target = options.target;
    this.#options = options;
    this.#workers = options.through.map(
      (node, index) => new Worker(`w${index}-${node.name}`, node, this, options),
    );
  }

  /** Works until the returned function is called, which waits for the calls under way. */
  start(): () => Promise<void> {
    const stop = new AbortController();
    const running = this.#workers.map((worker) => worker.work(stop.signal));
    return async () => {
      stop.abort();
      await Promise.all(running);
    };
  }

  /** Waits until every worker got something done after now. */
  async served(withinMs: number): Promise<void> {
    const before = this.#workers.map((worker) => worker.successes);
    await eventually(
      () => this.#workers.every(({ successes }, index) => successes > (before[index] as number)),
      { withinMs, promise: () => `Calls are served again; so far ${this.summary()}` },
    );
  }

  /** Notes how a call ended. */
  failed(operation: string, error: OperonError): void {
    this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1);
    const { tolerated = [] } = this.#options;
    if (!AWAY.has(error.code) && !tolerated.includes(error.code))
      this.unexpected.push(`${operation}: ${error.code} ${error.message}`);
  }

  /** One line for people. */
  summary(): string {
    const errors = [...this.errors].map(([code, count]) => `${count} ${code}`).join(", ");
    return `${this.calls} calls, ${this.receipts.length} acknowledged${errors === "" ? "" : `, ${errors}`}`;
  }
}

class Worker {
  successes = 0;
  readonly #name: string;
  readonly #node: NodeProcess;
  readonly #load: Load;
  readonly #random: Random;
  readonly #target: string;
  readonly #timeout_ms: number;
  readonly #isWithoutCommands: boolean;
  #caller: Caller | undefined;

  constructor(name: string, node: NodeProcess, load: Load, options: LoadOptions) {
    this.#name = name;
    this.#node = node;
    this.#load = load;
    this.#random = options.random.fork(name);
    this.#target = node === options.target ? "local" : options.target.name;
    this.#timeout_ms = options.timeout_ms ?? 10_000;
    this.#isWithoutCommands = options.withoutCommands ?? false;
  }

  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#caller ??= await this.#node.caller();
        await this.#once();
        this.successes++;
      } catch (error) {
        if (!(error instanceof OperonError)) throw error;
        this.#load.failed(this.#name, error);
        if (error.code === "wire.session_closed") await this.#hangUp();
        await pause(5);
      }
    }
    await this.#hangUp();
  }

  async #hangUp(): Promise<void> {
    await this.#caller?.[Symbol.asyncDispose]();
    this.#caller = undefined;
  }

  async #once(): Promise<void> {
    const choice = this.#random.next();
    if (choice < 0.6) return this.#write();
    if (choice < 0.75 && !this.#isWithoutCommands) return this.#append();
    if (choice < 0.85) return this.#read();
    if (choice < 0.9) return this.#linger();
    return this.#folder();
  }

  /** A command that would go on for long, had its caller not given up; or the node, for it. */
  async #linger(): Promise<void> {
    const abort = new AbortController();
    const input = { argv: ["sh", "-c", "trap '' TERM; sleep 300 & sleep 300"] };
    const options = { signal: abort.signal };
    const call = collect(this.#caller as Caller, {
      node: this.#target,
      operation: "exec.run",
      input,
      options,
    });
    await pause(this.#random.between(5, 100));
    abort.abort();
    const { error } = await call;
    if (error && error.code !== "node.cancelled") throw error;
  }

  async #write(): Promise<void> {
    const path = `/${this.#name}-${this.#random.between(1, FILES_PER_WORKER)}`;
    const file = this.#load.files.get(path) ?? { attempted: 0, acknowledged: 0 };
    this.#load.files.set(path, file);
    file.attempted++;
    const size = Math.floor(this.#random.next() ** 4 * BODY_BYTES_MAX);
    const version = file.attempted;
    await this.#effect("fs.write", { path }, contentOf(version, size, this.#random));
    file.acknowledged = version;
  }

  async #append(): Promise<void> {
    const file = `${this.#name}.log`;
    const memory = this.#load.lines.get(file) ?? { attempted: new Set(), acknowledged: new Set() };
    this.#load.lines.set(file, memory);
    const line = `${this.#name}-${memory.attempted.size}`;
    memory.attempted.add(line);
    const { output } = await this.#effect("exec.run", {
      argv: ["sh", "-c", `echo ${line} >> ${file}`],
    });
    const code = (output as { exit_code: number }).exit_code;
    if (code === 0) memory.acknowledged.add(line);
  }

  async #read(): Promise<void> {
    const known = [...this.#load.files].filter(
      ([path, { acknowledged }]) => acknowledged > 0 && path.startsWith(`/${this.#name}-`),
    );
    if (known.length === 0) return;
    const [path, { acknowledged }] = this.#random.pick(known);
    const { bytes } = await this.#call("fs.read", { path });
    const version = versionIn(bytes);
    if (version === undefined || version < acknowledged)
      this.#load.unexpected.push(`${path} reads as version ${version}, ${acknowledged} was stored`);
  }

  async #folder(): Promise<void> {
    const path = `/${this.#name}-folder`;
    await this.#effect("fs.mkdir", { path, parents: true });
    await this.#effect("fs.rm", { path, recursive: true });
  }

  async #effect(operation: string, input: unknown, content?: Uint8Array): Promise<CallResult> {
    const result = await this.#call(operation, input, content);
    const audit = result.receipt?.audit;
    if (audit) this.#load.receipts.push({ operation, ...audit });
    else this.#load.unexpected.push(`${operation} was acknowledged without an audit receipt`);
    return result;
  }

  async #call(operation: string, input: unknown, content?: Uint8Array): Promise<CallResult> {
    this.#load.calls++;
    const options = {
      timeout_ms: this.#timeout_ms,
      ...(content ? { outgoing: once(content) } : {}),
    };
    const startMs = performance.now();
    const call = collect(this.#caller as Caller, {
      node: this.#target,
      operation,
      input,
      options,
    });
    const result = await Promise.race([call, Bun.sleep(HUNG_MS)]);
    if (!result) {
      this.#load.unexpected.push(`${operation} got no answer within ${HUNG_MS} ms`);
      throw new OperonError({ code: "chaos.hung", kind: "internal", message: "No answer" });
    }
    this.#load.slowestMs = Math.max(this.#load.slowestMs, performance.now() - startMs);
    if (result.error) throw result.error;
    return result;
  }
}

/** Bytes that say which version they are and whether they are whole. */
function contentOf(version: number, size: number, random: Random): Uint8Array {
  const body = Buffer.alloc(size, String(random.between(10, 99)));
  const head = `${version} ${size} ${Bun.hash.crc32(body)}\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** The version some content is; `undefined` when it is not whole. */
export function versionIn(content: Uint8Array): number | undefined {
  const end = content.indexOf(10);
  const [version, size, sum] = Buffer.from(content.subarray(0, Math.max(0, end)))
    .toString()
    .split(" ")
    .map(Number);
  const body = content.subarray(end + 1);
  const isWhole = end > 0 && body.byteLength === size && Bun.hash.crc32(body) === sum;
  return isWhole ? version : undefined;
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array, undefined> {
  yield content;
  return undefined;
}
