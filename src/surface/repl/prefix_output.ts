// Output of one node among several: each line behind the node's name, lines of several nodes never mixed.
// It must never hold a line back without bound: one that is too long is cut in two.
// Next: shell.ts uses it for `on a,b: …`.

import type { Output } from "../cli/stdio.ts";

/** Longest line (bytes) that is waited for. */
const LINE_BYTES_MAX = 64 * 1024;
const LINE_FEED = 0x0a;

/** Puts a prefix before each line; call `end` after the last one. */
export class PrefixOutput implements Output {
  readonly isTty: boolean;
  readonly columns: number;
  readonly #output: Output;
  readonly #prefix: Uint8Array;
  #waiting: Uint8Array[] = [];
  #bytes = 0;

  constructor(output: Output, prefix: string) {
    this.#output = output;
    this.#prefix = new TextEncoder().encode(prefix);
    this.isTty = output.isTty;
    this.columns = Math.max(20, output.columns - Bun.stringWidth(prefix));
  }

  async write(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.#waiting.push(bytes);
    this.#bytes += bytes.byteLength;
    if (!bytes.includes(LINE_FEED) && this.#bytes <= LINE_BYTES_MAX) return;
    const all = Buffer.concat(this.#waiting);
    const last = all.lastIndexOf(LINE_FEED) + 1;
    const end = all.byteLength - last > LINE_BYTES_MAX ? all.byteLength : last;
    this.#keep(all.subarray(end));
    await this.#lines(all.subarray(0, end));
  }

  /** Writes what has no line feed yet, with one. */
  async end(): Promise<void> {
    const rest = Buffer.concat(this.#waiting);
    this.#keep(new Uint8Array());
    await this.#lines(rest);
  }

  #keep(bytes: Uint8Array): void {
    this.#waiting = bytes.byteLength > 0 ? [bytes] : [];
    this.#bytes = bytes.byteLength;
  }

  /** In one write, so that no other node's line comes between. */
  async #lines(bytes: Uint8Array): Promise<void> {
    const pieces: Uint8Array[] = [];
    for (let start = 0; start < bytes.byteLength; ) {
      const feed = bytes.indexOf(LINE_FEED, start);
      const end = feed < 0 ? bytes.byteLength : feed + 1;
      pieces.push(this.#prefix, bytes.subarray(start, end));
      if (feed < 0) pieces.push(new Uint8Array([LINE_FEED]));
      start = end;
    }
    if (pieces.length > 0) await this.#output.write(Buffer.concat(pieces));
  }
}
