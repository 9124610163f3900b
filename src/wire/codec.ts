// Strict MessagePack: what is not allowed is found by a scan of the bytes before anything is allocated for them.
// It must never decode an extension, a duplicate key, a key that reaches a prototype, or anything past a limit.
// Next: envelope.ts checks fields; PROTOCOL.md#encoding lists what is allowed.

import { Packr } from "msgpackr";
import { OperonError } from "../error.ts";
import { MSGPACK_DEPTH_MAX, MSGPACK_ELEMENTS_MAX } from "../limits.ts";

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: true,
  int64AsType: "number",
  useBigIntExtension: false,
});
const KEY_LENGTH_MAX = 256;
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Encodes a JSON-like value; `Uint8Array` becomes bin, keys with `undefined` are left out. @throws OperonError `wire.value_invalid` */
export function encode(value: unknown): Uint8Array {
  const bytes = packr.pack(plain(value, 0));
  // msgpackr reuses its buffer: the caller keeps what it gets.
  return new Uint8Array(bytes);
}

/** Decodes exactly one value. @throws OperonError `wire.encoding_invalid` */
export function decode(bytes: Uint8Array): unknown {
  new Scanner(bytes).scan();
  return packr.unpack(bytes as Buffer);
}

/** Rebuilds a value of what the wire can carry, so that what we send is what a strict peer accepts. */
function plain(value: unknown, depth: number): unknown {
  if (depth > MSGPACK_DEPTH_MAX) throw valueInvalid("it is nested too deeply");
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw valueInvalid("a number is not finite");
      return value;
    case "object":
      break;
    default:
      throw valueInvalid(`it holds a ${typeof value}`);
  }
  if (value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value))
    return value.map((item) => (item === undefined ? null : plain(item, depth + 1)));
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (item === undefined) continue;
    if (FORBIDDEN_KEYS.has(key)) throw valueInvalid(`it has a key "${key}"`);
    copy[key] = plain(item, depth + 1);
  }
  return copy;
}

/** Walks the bytes once without building anything. */
class Scanner {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #elements = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  scan(): void {
    this.#value(0);
    if (this.#offset !== this.#bytes.byteLength) throw encodingInvalid("bytes after the value");
  }

  #value(depth: number): void {
    if (depth > MSGPACK_DEPTH_MAX) throw encodingInvalid("nested too deeply");
    if (++this.#elements > MSGPACK_ELEMENTS_MAX) throw encodingInvalid("too many elements");
    const type = this.#byte();
    if (type < 0x80 || type >= 0xe0) return;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#array(type & 0x0f, depth);
    if (type < 0xc0) return void this.#text(type & 0x1f);
    this.#typed(type, depth);
  }

  #typed(type: number, depth: number): void {
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return;
      case 0xc4:
        return this.#skip(this.#length(1));
      case 0xc5:
        return this.#skip(this.#length(2));
      case 0xc6:
        return this.#skip(this.#length(4));
      case 0xca:
        return this.#float(4);
      case 0xcb:
        return this.#float(8);
      case 0xcc:
      case 0xd0:
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcf:
      case 0xd3:
        return this.#integer64(type === 0xd3);
      case 0xd9:
        return void this.#text(this.#length(1));
      case 0xda:
        return void this.#text(this.#length(2));
      case 0xdb:
        return void this.#text(this.#length(4));
      case 0xdc:
        return this.#array(this.#length(2), depth);
      case 0xdd:
        return this.#array(this.#length(4), depth);
      case 0xde:
        return this.#map(this.#length(2), depth);
      case 0xdf:
        return this.#map(this.#length(4), depth);
      default:
        throw encodingInvalid("an extension or reserved type");
    }
  }

  #array(count: number, depth: number): void {
    this.#mayHold(count);
    for (let index = 0; index < count; index++) this.#value(depth + 1);
  }

  #map(count: number, depth: number): void {
    this.#mayHold(count * 2);
    const keys = count > 1 ? new Set<string>() : undefined;
    for (let index = 0; index < count; index++) {
      const key = this.#key();
      if (keys) {
        if (keys.has(key)) throw encodingInvalid("a key twice");
        keys.add(key);
      }
      this.#value(depth + 1);
    }
  }

  #key(): string {
    const type = this.#byte();
    let length: number;
    if (type >= 0xa0 && type < 0xc0) length = type & 0x1f;
    else if (type === 0xd9) length = this.#length(1);
    else if (type === 0xda) length = this.#length(2);
    else throw encodingInvalid("a key that is no text");
    if (length > KEY_LENGTH_MAX) throw encodingInvalid("a key that is too long");
    const key = this.#text(length);
    if (FORBIDDEN_KEYS.has(key)) throw encodingInvalid("a forbidden key");
    return key;
  }

  #text(length: number): string {
    const start = this.#offset;
    this.#skip(length);
    const bytes = this.#bytes.subarray(start, this.#offset);
    if (length < 32) {
      const ascii = shortAscii(bytes);
      if (ascii !== undefined) return ascii;
    }
    try {
      return utf8.decode(bytes);
    } catch {
      throw encodingInvalid("a text that is not UTF-8");
    }
  }

  #float(bytes: 4 | 8): void {
    const start = this.#offset;
    this.#skip(bytes);
    const value = bytes === 4 ? this.#view.getFloat32(start) : this.#view.getFloat64(start);
    if (!Number.isFinite(value)) throw encodingInvalid("a number that is not finite");
  }

  #integer64(isSigned: boolean): void {
    const start = this.#offset;
    this.#skip(8);
    const value = isSigned ? this.#view.getBigInt64(start) : this.#view.getBigUint64(start);
    if (value > 9007199254740991n || value < -9007199254740991n)
      throw encodingInvalid("an integer beyond 2^53");
  }

  /** A count the rest of the bytes cannot hold is refused before anything is done for it. */
  #mayHold(count: number): void {
    if (count > this.#bytes.byteLength - this.#offset)
      throw encodingInvalid("a length past the end");
  }

  #length(bytes: 1 | 2 | 4): number {
    const start = this.#offset;
    this.#skip(bytes);
    if (bytes === 1) return this.#view.getUint8(start);
    return bytes === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start);
  }

  #byte(): number {
    if (this.#offset >= this.#bytes.byteLength) throw encodingInvalid("an early end");
    return this.#bytes[this.#offset++] as number;
  }

  #skip(count: number): void {
    if (count > this.#bytes.byteLength - this.#offset)
      throw encodingInvalid("a length past the end");
    this.#offset += count;
  }
}

/** The text of a few ASCII bytes without the cost of a decoder; `undefined` when one is not ASCII. */
function shortAscii(bytes: Uint8Array): string | undefined {
  for (const byte of bytes) if (byte >= 0x80) return undefined;
  return String.fromCharCode(...bytes);
}

function encodingInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.encoding_invalid",
    kind: "invalid_argument",
    message: `A message is not valid MessagePack as operon uses it: ${what}`,
    hint: "PROTOCOL.md lists what is allowed",
  });
}

function valueInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.value_invalid",
    kind: "invalid_argument",
    message: `A value cannot be sent: ${what}`,
    hint: "Send JSON-like values and bytes",
  });
}
