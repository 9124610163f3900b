// A recording of what a terminal showed: asciicast v2, written as it happens. Input is never in it.
// It must never fail unseen: whoever requires recordings ends a session that cannot be recorded any more.
// Next: host.ts writes it; replay.ts plays it.

import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { TerminalSize } from "./pty.ts";
import { FILES } from "./session_record.ts";

/** How a recording begins. */
export interface RecordingOptions {
  readonly size: TerminalSize;
  readonly term: string;
  readonly bytesMax: number;
  readonly nowMs: () => number;
}

/** A recording under way; close it with `using`. */
export class Recording implements Disposable {
  readonly #fd: number;
  readonly #options: RecordingOptions;
  readonly #startMs: number;
  // Bytes of a character may come in two reads; what is no UTF-8 is replaced, as the format demands.
  readonly #decoder = new TextDecoder();
  #bytes = 0;

  /** @throws Error when it cannot be written */
  constructor(folder: string, options: RecordingOptions) {
    this.#options = options;
    this.#startMs = options.nowMs();
    this.#fd = openSync(join(folder, FILES.recording), "wx", 0o600);
    const { size, term } = options;
    this.#write({
      version: 2,
      width: size.cols,
      height: size.rows,
      timestamp: Math.floor(this.#startMs / 1000),
      env: { TERM: term },
    });
  }

  /** @throws Error when it cannot be written, or is as long as it may be */
  output(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text !== "") this.#write([this.#seconds(), "o", text]);
  }

  /** @throws Error as {@link output} */
  resize({ rows, cols }: TerminalSize): void {
    this.#write([this.#seconds(), "r", `${cols}x${rows}`]);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #seconds(): number {
    return Math.round((this.#options.nowMs() - this.#startMs) * 1000) / 1_000_000;
  }

  #write(line: unknown): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    this.#bytes += bytes.byteLength;
    if (this.#bytes > this.#options.bytesMax) throw new Error("The recording is full");
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#fd, bytes, at);
  }
}
