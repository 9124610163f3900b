// How a call gets on, on a terminal that waits: bytes moved, rate, and how much there is when that is known.
// It must never stand in an output's way: the first thing a call prints ends it, and a program never sees it.
// Next: run_operation.ts and relay.ts open one.

import type { Running } from "./context.ts";
import { escapeText } from "./escape.ts";
import type { Saving } from "./save.ts";
import type { Output } from "./stdio.ts";

/** What takes less is not talked about (ms). */
const FIRST_MS = 1_000;
/** How often it is written anew (ms). */
const NEXT_MS = 200;

/** A line on standard error that is written over, and gone when it is disposed of. */
export interface Progress extends Disposable {
  /** Bytes that have moved. */
  add(bytes: number): void;
  /** The same command line, what it writes counted; writing to the terminal ends the progress. */
  readonly running: Running;
  /** The same items, counted. */
  counted(items: AsyncIterable<unknown>): AsyncIterable<unknown>;
  /** The same file, what is written to it counted. */
  saving(file: Saving): Saving;
}

/** What is waited for. */
export interface ProgressOptions {
  readonly node: string;
  /** How much there is (bytes), when it is known. */
  readonly totalBytes?: number | undefined;
  /** Whether somebody types what is sent: a line that is written over would be in the way. */
  readonly isTyped?: boolean;
}

/** The progress of a call; one that shows nothing where nobody watches: no terminal, `--json`, `--quiet`. */
export function openProgress(running: Running, options: ProgressOptions): Progress {
  const { context, globals } = running;
  const { stdio } = context;
  const isWatched =
    stdio.stderr.isTty &&
    !globals.quiet &&
    !globals.json &&
    context.hasProgress !== false &&
    !options.isTyped;
  const line = new ProgressLine(running, options);
  if (isWatched) line.start();
  const add = (bytes: number) => line.add(bytes);
  const [stdout, stderr] = [watched(stdio.stdout, line), watched(stdio.stderr, line)];
  return {
    add,
    running: { ...running, context: { ...context, stdio: { ...stdio, stdout, stderr } } },
    async *counted(items) {
      for await (const item of items) {
        yield item;
        if (item instanceof Uint8Array) add(item.byteLength);
      }
    },
    saving: (file) => ({
      async write(bytes) {
        await file.write(bytes);
        add(bytes.byteLength);
      },
      commit: () => file.commit(),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    }),
    [Symbol.dispose]: () => line.stop(),
  };
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `12.3 MiB` */
export function sizeText(bytes: number): string {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(bytes || 1) / 10)));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[step]}`;
}

/** Bytes for a pipe or a file are progress; what appears on the terminal needs none beside it. */
function watched(output: Output, line: ProgressLine): Output {
  return {
    get isTty() {
      return output.isTty;
    },
    get columns() {
      return output.columns;
    },
    async write(data) {
      if (output.isTty && data.length > 0) line.stop();
      await output.write(data);
      line.add(typeof data === "string" ? Buffer.byteLength(data) : data.byteLength);
    },
  };
}

class ProgressLine {
  readonly #running: Running;
  readonly #options: ProgressOptions;
  readonly #startMs: number;
  #timer: Disposable | undefined;
  #bytes = 0;
  #isShown = false;
  readonly #stopped = () => this.stop();

  constructor(running: Running, options: ProgressOptions) {
    this.#running = running;
    this.#options = options;
    this.#startMs = running.context.clock.monotonicMs();
  }

  start(): void {
    const { clock, signal } = this.#running.context;
    if (signal.aborted) return;
    this.#timer = clock.after(FIRST_MS, () => this.#show());
    signal.addEventListener("abort", this.#stopped, { once: true });
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  stop(): void {
    this.#running.context.signal.removeEventListener("abort", this.#stopped);
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#isShown) this.#write("\r\x1b[K");
    this.#isShown = false;
  }

  #show(): void {
    const { clock, stdio } = this.#running.context;
    this.#isShown = true;
    this.#write(`\r\x1b[K${this.#text().slice(0, Math.max(1, stdio.stderr.columns - 1))}`);
    this.#timer = clock.after(NEXT_MS, () => this.#show());
  }

  #text(): string {
    const { clock } = this.#running.context;
    const { node, totalBytes } = this.#options;
    const seconds = (clock.monotonicMs() - this.#startMs) / 1000;
    if (this.#bytes === 0) return `Waiting for ${escapeText(node)}, ${Math.floor(seconds)} s`;
    const rate = `${sizeText(this.#bytes / seconds)}/s`;
    if (totalBytes === undefined || totalBytes < this.#bytes) {
      return `${sizeText(this.#bytes)}, ${rate}`;
    }
    const percent = totalBytes === 0 ? 100 : Math.floor((this.#bytes / totalBytes) * 100);
    return `${sizeText(this.#bytes)} of ${sizeText(totalBytes)} (${percent} %), ${rate}`;
  }

  #write(text: string): void {
    void this.#running.context.stdio.stderr.write(text).catch(() => {});
  }
}
