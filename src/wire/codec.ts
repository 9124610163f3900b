// Strict MessagePack, by hand in both directions: what is checked is exactly what is used, and nothing is copied to check it.
// It must never decode an extension, a duplicate key, a key that reaches a prototype, or anything past a limit.
// Next: msgpack_writer.ts writes; envelope.ts checks fields; PROTOCOL.md#encoding lists what is allowed.

import { OperonError } from "../error.ts";
import { MSGPACK_DEPTH_MAX, MSGPACK_ELEMENTS_MAX } from "../limits.ts";
import { FORBIDDEN_KEYS, KEY_BYTES_MAX } from "./msgpack_rules.ts";
import { writeMsgpack } from "./msgpack_writer.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encodes a JSON-like value; `Uint8Array` becomes bin, keys with `undefined` are left out. @throws OperonError `wire.value_invalid` */
export function encode(value: unknown): Uint8Array {
  return writeMsgpack(value);
}

/** Decodes exactly one value; its `Uint8Array`s are views into the bytes. @throws OperonError `wire.encoding_invalid` */
export function decode(bytes: Uint8Array): unknown {
  return new Reader(bytes).whole();
}

/** Texts longer than this are left to the system's decoder (bytes). */
const SHORT_TEXT_BYTES = 100;
/** Keys seen lately by a hash of their bytes: the same few come over and over, and a known text costs nothing to make. */
const keys: string[] = new Array(256).fill("");

/** Walks the bytes once. Arrays grow item by item: a declared length allocates nothing. */
class Reader {
  readonly #bytes: Buffer;
  #offset = 0;
  #elements = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  whole(): unknown {
    const value = this.#value(0);
    if (this.#offset !== this.#bytes.byteLength) throw encodingInvalid("bytes after the value");
    return value;
  }

  #value(depth: number): unknown {
    if (depth > MSGPACK_DEPTH_MAX) throw encodingInvalid("nested too deeply");
    if (++this.#elements > MSGPACK_ELEMENTS_MAX) throw encodingInvalid("too many elements");
    const type = this.#byte();
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#array(type & 0x0f, depth);
    if (type < 0xc0) return this.#text(type & 0x1f);
    return this.#typed(type, depth);
  }

  #typed(type: number, depth: number): unknown {
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#length(1));
      case 0xc5:
        return this.#binary(this.#length(2));
      case 0xc6:
        return this.#binary(this.#length(4));
      case 0xd9:
        return this.#text(this.#length(1));
      case 0xda:
        return this.#text(this.#length(2));
      case 0xdb:
        return this.#text(this.#length(4));
      case 0xdc:
        return this.#array(this.#length(2), depth);
      case 0xdd:
        return this.#array(this.#length(4), depth);
      case 0xde:
        return this.#map(this.#length(2), depth);
      case 0xdf:
        return this.#map(this.#length(4), depth);
      default:
        return this.#number(type);
    }
  }

  #number(type: number): number {
    switch (type) {
      case 0xca:
        return finite(this.#bytes.readFloatBE(this.#skip(4)));
      case 0xcb:
        return finite(this.#bytes.readDoubleBE(this.#skip(8)));
      case 0xcc:
        return this.#length(1);
      case 0xcd:
        return this.#length(2);
      case 0xce:
        return this.#length(4);
      case 0xcf:
        return safe(this.#bytes.readBigUInt64BE(this.#skip(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#skip(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#skip(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#skip(4));
      case 0xd3:
        return safe(this.#bytes.readBigInt64BE(this.#skip(8)));
      default:
        throw encodingInvalid("an extension or reserved type");
    }
  }

  #array(count: number, depth: number): unknown[] {
    this.#mayHold(count);
    const items: unknown[] = [];
    for (let index = 0; index < count; index++) items.push(this.#value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#mayHold(count * 2);
    const map: Record<string, unknown> = {};
    for (let index = 0; index < count; index++) {
      const key = this.#key();
      if (Object.hasOwn(map, key)) throw encodingInvalid("a key twice");
      map[key] = this.#value(depth + 1);
    }
    return map;
  }

  #key(): string {
    const type = this.#byte();
    let length: number;
    if (type >= 0xa0 && type < 0xc0) length = type & 0x1f;
    else if (type === 0xd9) length = this.#length(1);
    else if (type === 0xda) length = this.#length(2);
    else throw encodingInvalid("a key that is no text");
    if (length > KEY_BYTES_MAX) throw encodingInvalid("a key that is too long");
    const key = this.#asciiKey(length) ?? this.#text(length);
    if (FORBIDDEN_KEYS.has(key)) throw encodingInvalid("a forbidden key");
    return key;
  }

  /** A short key of ASCII; the text made for the last one with the same hash serves again when it is the same. */
  #asciiKey(length: number): string | undefined {
    const start = this.#offset;
    const end = start + length;
    if (length > 32 || end > this.#bytes.length || !this.#isAscii(start, end)) return undefined;
    let hash = length;
    for (let at = start; at < end; at++) hash = (hash * 31 + (this.#bytes[at] as number)) & 0xff;
    this.#offset = end;
    const known = keys[hash] as string;
    let same = known.length === length ? 0 : -1;
    while (same >= 0 && same < length && known.charCodeAt(same) === this.#bytes[start + same])
      same++;
    if (same === length) return known;
    const key = this.#bytes.toString("latin1", start, end);
    keys[hash] = key;
    return key;
  }

  #text(length: number): string {
    const start = this.#skip(length);
    const end = start + length;
    if (length <= SHORT_TEXT_BYTES && this.#isAscii(start, end))
      return this.#bytes.toString("latin1", start, end);
    try {
      return utf8.decode(this.#bytes.subarray(start, end));
    } catch {
      throw encodingInvalid("a text that is not UTF-8");
    }
  }

  #isAscii(start: number, end: number): boolean {
    let bits = 0;
    for (let at = start; at < end; at++) bits |= this.#bytes[at] as number;
    return bits < 0x80;
  }

  #binary(length: number): Uint8Array {
    const start = this.#skip(length);
    const { buffer, byteOffset } = this.#bytes;
    return new Uint8Array(buffer, byteOffset + start, length);
  }

  /** A count the rest of the bytes cannot hold is refused before anything is done for it. */
  #mayHold(count: number): void {
    if (count > this.#bytes.byteLength - this.#offset)
      throw encodingInvalid("a length past the end");
  }

  #length(bytes: 1 | 2 | 4): number {
    const start = this.#skip(bytes);
    if (bytes === 1) return this.#bytes[start] as number;
    return bytes === 2 ? this.#bytes.readUInt16BE(start) : this.#bytes.readUInt32BE(start);
  }

  #byte(): number {
    if (this.#offset >= this.#bytes.byteLength) throw encodingInvalid("an early end");
    return this.#bytes[this.#offset++] as number;
  }

  /** Moves on; gives the place it started from. */
  #skip(count: number): number {
    if (count > this.#bytes.byteLength - this.#offset)
      throw encodingInvalid("a length past the end");
    this.#offset += count;
    return this.#offset - count;
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw encodingInvalid("a number that is not finite");
  return value;
}

function safe(value: bigint): number {
  if (value > 9007199254740991n || value < -9007199254740991n)
    throw encodingInvalid("an integer beyond 2^53");
  return Number(value);
}

function encodingInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.encoding_invalid",
    kind: "invalid_argument",
    message: `A message is not valid MessagePack as operon uses it: ${what}`,
    hint: "PROTOCOL.md lists what is allowed",
  });
}
