// What stands between two commands of a pipe: one writes bytes, the other reads them, neither runs far ahead.
// It must never hold more than its bound, nor let a stream that broke off look like one that ended.
// Next: pipeline.ts puts it between two commands.

import { OperonError } from "../../error.ts";
import type { Input, Output } from "../cli/stdio.ts";

/** Bytes that wait for the reader before the writer has to. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** A bounded pipe within this process. The writer ends it, the reader closes it; both may be done more than once. */
export class Pipe {
  readonly output: Output;
  readonly input: Input;
  readonly #waiting: Uint8Array[] = [];
  #bytes = 0;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #isClosed = false;
  #changed = Promise.withResolvers<void>();

  constructor() {
    this.output = { isTty: false, columns: 80, write: (data) => this.#write(data) };
    this.input = { isTty: false, isPiped: true, chunks: () => this.#read() };
  }

  /** Nothing follows; with an error, what was read so far is not all there was. */
  end(failure?: { readonly error: unknown }): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#failure = failure;
    this.#wake();
  }

  /** Nobody reads any more: the next write says so. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#wake();
  }

  async #write(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (bytes.byteLength === 0) return;
    if (!this.#isClosed) {
      this.#waiting.push(bytes);
      this.#bytes += bytes.byteLength;
      this.#wake();
    }
    while (!this.#isClosed && this.#bytes > WAITING_BYTES_MAX) await this.#changed.promise;
    if (this.#isClosed) {
      throw new OperonError({
        code: "cli.output_closed",
        kind: "cancelled",
        message: "Nobody reads the output any more",
      });
    }
  }

  async *#read(): AsyncGenerator<Uint8Array, undefined> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes) {
        this.#bytes -= bytes.byteLength;
        this.#wake();
        yield bytes;
      } else if (this.#failure) throw this.#failure.error;
      else if (this.#isEnded || this.#isClosed) return undefined;
      else await this.#changed.promise;
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
