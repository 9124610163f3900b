// Bytes as JSON lines: `{"channel":"stdout","text":"…"}`, or `base64` instead of `text` for what is not UTF-8.
// It must never lose or change a byte: joined in order, per channel, the lines give exactly what was sent.
// Next: show.ts prints them under `--json`, before the line with the output.

import { jsonLine } from "./escape.ts";

/** Chunks of bytes in, JSON lines out. A character cut in two waits for its other half. */
export class JsonBytes {
  readonly #channels: readonly string[];
  readonly #pending = new Map<number, Uint8Array>();

  /** @param channels names of the stream's channels; lines of a stream without any name none */
  constructor(channels: readonly string[]) {
    this.#channels = channels;
  }

  /** The line for a chunk; empty while only a part of a character has come. */
  add(channel: number, bytes: Uint8Array): string {
    const pending = this.#pending.get(channel);
    const whole = pending ? Buffer.concat([pending, bytes]) : bytes;
    const end = whole.byteLength - incompleteTail(whole);
    if (end < whole.byteLength) this.#pending.set(channel, whole.slice(end));
    else this.#pending.delete(channel);
    return end === 0 ? "" : this.#line(channel, whole.subarray(0, end));
  }

  /** Lines for characters that never became whole. */
  end(): string {
    const lines = [...this.#pending].map(([channel, bytes]) => this.#line(channel, bytes));
    this.#pending.clear();
    return lines.join("");
  }

  #line(channel: number, bytes: Uint8Array): string {
    const name = this.#channels.length === 0 ? undefined : this.#channels[channel];
    const text = decodeUtf8(bytes);
    const content =
      text === undefined ? { base64: Buffer.from(bytes).toString("base64") } : { text };
    return jsonLine(name === undefined ? content : { channel: name, ...content });
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How many bytes at the end begin a character that is not complete: 0 to 3. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.byteLength); back++) {
    const byte = bytes[bytes.byteLength - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    return lengthOf(byte) > back ? back : 0;
  }
  return 0;
}

/** Bytes of the character a lead byte begins; 1 for one that begins none (RFC 3629 4). */
function lengthOf(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
