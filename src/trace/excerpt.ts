import type { LogTail } from "./document.ts";

/** Items of a list or fields of an object an excerpt keeps. */
const ITEMS_MAX = 100;
const DEPTH_MAX = 12;

/**
 * A copy of a value for a trace: long texts and bytes are cut and say so. Texts share `maxBytes`;
 * the copy as a whole stays within a small multiple of it.
 */
export function excerpt(value: unknown, maxBytes: number): unknown {
  return copy(value, { left: maxBytes, nodes: 10_000 }, 0);
}

interface Budget {
  left: number;
  nodes: number;
}

function copy(value: unknown, budget: Budget, depth: number): unknown {
  if (budget.nodes-- <= 0) return "…(cut)";
  if (typeof value === "string") return cutText(value, budget);
  if (value instanceof Uint8Array) return cutBytes(value, budget);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "…(nested too deep)";
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => copy(item, budget, depth + 1));
    return value.length > ITEMS_MAX ? [...items, `…(${value.length - ITEMS_MAX} more)`] : items;
  }
  const fields = Object.entries(value);
  const kept = fields
    .slice(0, ITEMS_MAX)
    .map(([key, item]) => [key.slice(0, 256), copy(item, budget, depth + 1)] as const);
  if (fields.length > ITEMS_MAX) kept.push(["…", `${fields.length - ITEMS_MAX} more`]);
  return Object.fromEntries(kept);
}

function cutText(text: string, budget: Budget): string {
  // A character is at most three bytes per UTF-16 unit.
  const bytes = text.length * 3 <= budget.left ? text.length * 3 : Buffer.byteLength(text);
  if (bytes <= budget.left) {
    budget.left -= Math.min(bytes, Buffer.byteLength(text));
    return text;
  }
  const kept = Buffer.from(text.slice(0, budget.left)).subarray(0, budget.left);
  budget.left = 0;
  const whole = kept.toString("utf8").replace(/\ufffd+$/, "");
  return `${whole}…(${bytes - Buffer.byteLength(whole)} more bytes)`;
}

function cutBytes(bytes: Uint8Array, budget: Budget): string {
  const kept = bytes.subarray(0, Math.floor((budget.left * 3) / 4));
  budget.left -= Math.ceil((kept.length * 4) / 3);
  const more = bytes.length > kept.length ? `…(${bytes.length - kept.length} more bytes)` : "";
  return `base64:${Buffer.from(kept).toString("base64")}${more}`;
}

/** Keeps the last bytes of a stream, whatever its length. */
export class LogTailBuffer {
  /** Taken when the first byte comes: most streams stay empty. */
  #ring: Uint8Array = new Uint8Array(0);
  #bytes = 0;

  constructor(readonly maxBytes: number) {}

  /** Bytes the whole stream had so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the next bytes; they are copied. */
  append(chunk: Uint8Array): void {
    if (this.#ring.length === 0) this.#ring = new Uint8Array(this.maxBytes);
    const kept = chunk.subarray(Math.max(0, chunk.length - this.maxBytes));
    const at = (this.#bytes + chunk.length - kept.length) % this.maxBytes;
    const first = kept.subarray(0, this.maxBytes - at);
    this.#ring.set(first, at);
    this.#ring.set(kept.subarray(first.length), 0);
    this.#bytes += chunk.length;
  }

  /** The last bytes, oldest first. */
  tail(): Uint8Array {
    if (this.#bytes <= this.maxBytes) return this.#ring.slice(0, this.#bytes);
    const at = this.#bytes % this.maxBytes;
    const tail = new Uint8Array(this.maxBytes);
    tail.set(this.#ring.subarray(at), 0);
    tail.set(this.#ring.subarray(0, at), this.maxBytes - at);
    return tail;
  }

  /** The tail as it stands in a trace, at most `maxBytes` of it: text where it is UTF-8, else base64. */
  toLogTail(maxBytes: number = this.maxBytes): LogTail {
    const tail = this.tail().subarray(-maxBytes);
    const truncated = this.#bytes > tail.length;
    const text = decodeText(truncated ? skipPartCharacter(tail) : tail);
    return {
      encoding: text === undefined ? "base64" : "utf8",
      tail: text ?? Buffer.from(tail).toString("base64"),
      bytes: this.#bytes,
      truncated,
    };
  }
}

/** Bytes as text, or `undefined` when they are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A tail may begin in the middle of a character: at most three continuation bytes are skipped. */
function skipPartCharacter(tail: Uint8Array): Uint8Array {
  let at = 0;
  while (at < 3 && at < tail.length && (tail[at]! & 0xc0) === 0x80) at++;
  return tail.subarray(at);
}
