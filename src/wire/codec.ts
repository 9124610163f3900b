// Strict MessagePack: msgpackr writes it; reading is by hand, so that what is checked is exactly what is used.
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
/** Longest key of a map (bytes, UTF-8). */
const KEY_BYTES_MAX = 256;
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encodes a JSON-like value; `Uint8Array` becomes bin, keys with `undefined` are left out. @throws OperonError `wire.value_invalid` */
export function encode(value: unknown): Uint8Array {
  const bytes = packr.pack(new Plain().copy(value, 0));
  // msgpackr reuses its buffer: the caller keeps what it gets.
  return new Uint8Array(bytes);
}

/** Decodes exactly one value; its `Uint8Array`s are views into the bytes. @throws OperonError `wire.encoding_invalid` */
export function decode(bytes: Uint8Array): unknown {
  return new Reader(bytes).whole();
}

/** Copies a value of what the wire can carry, so that what we send is what a strict peer accepts. */
class Plain {
  #elements = 0;

  copy(value: unknown, depth: number): unknown {
    if (depth > MSGPACK_DEPTH_MAX) throw valueInvalid("it is nested too deeply");
    if (++this.#elements > MSGPACK_ELEMENTS_MAX) throw valueInvalid("it has too many elements");
    switch (typeof value) {
      case "string":
        if (!value.isWellFormed()) throw valueInvalid("a text is no Unicode");
        return value;
      case "boolean":
        return value;
      case "number":
        if (!Number.isFinite(value)) throw valueInvalid("a number is not finite");
        return value;
      case "object":
        return value === null ? null : this.#object(value, depth);
      default:
        throw valueInvalid(`it holds a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): unknown {
    // A plain view: msgpackr treats some subclasses in its own way.
    if (value instanceof Uint8Array)
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (Array.isArray(value)) {
      // `Array.from` also fills the holes of a sparse array.
      if (value.length > MSGPACK_ELEMENTS_MAX) throw valueInvalid("it has too many elements");
      return Array.from(value, (item) => this.copy(item === undefined ? null : item, depth + 1));
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype)
      throw valueInvalid(`it holds a ${value.constructor?.name ?? "class instance"}`);
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key];
      if (item === undefined) continue;
      if (FORBIDDEN_KEYS.has(key)) throw valueInvalid(`it has a key "${key}"`);
      if (
        !key.isWellFormed() ||
        key.length > KEY_BYTES_MAX ||
        Buffer.byteLength(key) > KEY_BYTES_MAX
      )
        throw valueInvalid("a key is too long or no Unicode");
      copy[key] = this.copy(item, depth + 1);
    }
    return copy;
  }
}

/** Walks the bytes once. Arrays grow item by item: a declared length allocates nothing. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #elements = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
        return finite(this.#view.getFloat32(this.#skip(4)));
      case 0xcb:
        return finite(this.#view.getFloat64(this.#skip(8)));
      case 0xcc:
        return this.#length(1);
      case 0xcd:
        return this.#length(2);
      case 0xce:
        return this.#length(4);
      case 0xcf:
        return safe(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return safe(this.#view.getBigInt64(this.#skip(8)));
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
    const key = this.#text(length);
    if (FORBIDDEN_KEYS.has(key)) throw encodingInvalid("a forbidden key");
    return key;
  }

  #text(length: number): string {
    try {
      return utf8.decode(this.#binary(length));
    } catch (error) {
      if (error instanceof OperonError) throw error;
      throw encodingInvalid("a text that is not UTF-8");
    }
  }

  #binary(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A count the rest of the bytes cannot hold is refused before anything is done for it. */
  #mayHold(count: number): void {
    if (count > this.#bytes.byteLength - this.#offset)
      throw encodingInvalid("a length past the end");
  }

  #length(bytes: 1 | 2 | 4): number {
    const start = this.#skip(bytes);
    if (bytes === 1) return this.#view.getUint8(start);
    return bytes === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start);
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

function valueInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.value_invalid",
    kind: "invalid_argument",
    message: `A value cannot be sent: ${what}`,
    hint: "Send JSON-like values and bytes",
  });
}
