import type { Chunk } from "../contract/caller.ts";
import type { OperationDescription } from "../contract/description.ts";
import type { LogTail } from "../trace/document.ts";
import { excerpt, LogTailBuffer } from "../trace/excerpt.ts";
import { streamNames } from "./plan.ts";

/** Bytes of a stream kept for references; a longer stream cannot be referred to. */
export const STREAM_BYTES_MAX = 1024 * 1024;
/** Values of a stream kept for references. */
export const STREAM_ITEMS_MAX = 10_000;
/** Bytes of a stream that reach the trace. */
const LOG_BYTES_MAX = 16 * 1024;

/** What is kept of the streams of one step. */
export class StepStreams {
  readonly #names: readonly string[];
  readonly #tails = new Map<string, LogTailBuffer>();
  readonly #items: unknown[] = [];
  #itemCount = 0;

  constructor(sends: OperationDescription["sends"]) {
    this.#names = streamNames(sends);
  }

  /** Takes the next chunk and tells the name of its stream. */
  take(chunk: Chunk): string {
    if (chunk.kind === "value") {
      this.#itemCount++;
      if (this.#items.length < STREAM_ITEMS_MAX) this.#items.push(chunk.value);
      return "items";
    }
    const name = this.#names[chunk.channel] ?? `channel_${chunk.channel}`;
    let tail = this.#tails.get(name);
    if (!tail) {
      tail = new LogTailBuffer(STREAM_BYTES_MAX);
      this.#tails.set(name, tail);
    }
    tail.append(chunk.bytes);
    return name;
  }

  /** All of a stream, or `undefined` when there was more than is kept. */
  whole(name: string): Uint8Array | readonly unknown[] | undefined {
    if (name === "items") return this.#itemCount > STREAM_ITEMS_MAX ? undefined : this.#items;
    const tail = this.#tails.get(name);
    if (!tail) return new Uint8Array(0);
    return tail.bytes > tail.maxBytes ? undefined : tail.tail();
  }

  /** The ends of the streams, for the trace. */
  logs(): Readonly<Record<string, LogTail>> | undefined {
    const logs = [...this.#tails].map(([name, tail]) => [name, tail.toLogTail(LOG_BYTES_MAX)]);
    if (this.#itemCount > 0) logs.push(["items", this.#itemLog()]);
    return logs.length === 0 ? undefined : Object.fromEntries(logs);
  }

  /** The last values, one JSON line each. */
  #itemLog(): LogTail {
    const last = this.#items.slice(-100).map((item) => excerpt(item, LOG_BYTES_MAX / 8));
    const tail = new LogTailBuffer(LOG_BYTES_MAX);
    for (const item of last) tail.append(Buffer.from(`${JSON.stringify(item)}\n`));
    const log = tail.toLogTail();
    return { ...log, truncated: log.truncated || this.#itemCount > last.length };
  }
}
