// Bytes as JSON lines, exactly: text where the bytes are UTF-8, base64 where they are not, and each line says which.
// It must never replace a byte nor split a character into two kinds.
// Next: run_operation.ts prints the lines under --json.

/** One line: `{"channel":"stdout","encoding":"utf8","data":"…"}`. */
export class ByteChunks {
  readonly #channels: readonly string[];
  /** Bytes of a character whose rest has not come yet, by channel. */
  readonly #pending = new Map<number, Uint8Array>();

  constructor(channels: readonly string[]) {
    this.#channels = channels;
  }

  /** Lines for a chunk; empty while a character is incomplete. */
  add({ channel, bytes }: { readonly channel: number; readonly bytes: Uint8Array }): string {
    const pending = this.#pending.get(channel);
    const whole = pending ? Buffer.concat([pending, bytes]) : bytes;
    const cut = whole.byteLength - incompleteTail(whole);
    if (cut < whole.byteLength) this.#pending.set(channel, whole.slice(cut));
    else this.#pending.delete(channel);
    return cut === 0 ? "" : this.#line(channel, whole.subarray(0, cut));
  }

  /** Lines for what never became a whole character. */
  end(): string {
    const lines = [...this.#pending].map(([channel, bytes]) => this.#line(channel, bytes));
    this.#pending.clear();
    return lines.join("");
  }

  #line(channel: number, bytes: Uint8Array): string {
    const name = this.#channels[channel];
    const text = decodeUtf8(bytes);
    const data =
      text === undefined
        ? { encoding: "base64", data: Buffer.from(bytes).toString("base64") }
        : { encoding: "utf8", data: text };
    return `${JSON.stringify({ ...(name === undefined ? {} : { channel: name }), ...data })}\n`;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How many bytes at the end begin a character that is not complete. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.byteLength); back++) {
    const byte = bytes[bytes.byteLength - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
