// Writes MessagePack in one pass into a buffer that is used again, checking that a strict peer will accept it.
// It must never write what codec.ts would refuse to read, nor hand out the buffer itself.
// Next: codec.ts reads; PROTOCOL.md#encoding lists what is allowed.

import { MSGPACK_DEPTH_MAX, MSGPACK_ELEMENTS_MAX } from "../limits.ts";
import { FORBIDDEN_KEYS, KEY_BYTES_MAX, valueInvalid } from "./msgpack_rules.ts";

const SCRATCH_BYTES = 16 * 1024;
/** A buffer that grew past this is not kept (bytes). */
const SCRATCH_BYTES_MAX = 1024 * 1024;
/** Texts up to this many characters are written by hand, as long as they are ASCII. */
const SHORT_TEXT = 64;

/** Taken while in use: a getter of the value may encode something itself. */
let scratch: Buffer | undefined = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** The bytes of a JSON-like value. @throws OperonError `wire.value_invalid` */
export function writeMsgpack(value: unknown): Uint8Array {
  const writer = new Writer(scratch ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES));
  scratch = undefined;
  try {
    writer.value(value, 0);
    return writer.taken();
  } finally {
    scratch = writer.spare();
  }
}

class Writer {
  #bytes: Buffer;
  #at = 0;
  #elements = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A copy of what was written. */
  taken(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#at));
  }

  /** The buffer, unless it grew too large to keep. */
  spare(): Buffer | undefined {
    return this.#bytes.length <= SCRATCH_BYTES_MAX ? this.#bytes : undefined;
  }

  value(value: unknown, depth: number): void {
    if (depth > MSGPACK_DEPTH_MAX) throw valueInvalid("it is nested too deeply");
    if (++this.#elements > MSGPACK_ELEMENTS_MAX) throw valueInvalid("it has too many elements");
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "boolean":
        return this.#byte(value ? 0xc3 : 0xc2);
      case "number":
        return this.#number(value);
      case "object":
        return value === null ? this.#byte(0xc0) : this.#object(value, depth);
      default:
        throw valueInvalid(`it holds a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): void {
    if (value instanceof Uint8Array) return this.#binary(value);
    if (Array.isArray(value)) return this.#array(value, depth);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype)
      throw valueInvalid(`it holds a ${value.constructor?.name ?? "class instance"}`);
    this.#map(value as Record<string, unknown>, depth);
  }

  #map(value: Record<string, unknown>, depth: number): void {
    const keys: string[] = [];
    const items: unknown[] = [];
    for (const key of Object.keys(value)) {
      const item = value[key];
      if (item === undefined) continue;
      keys.push(key);
      items.push(item);
    }
    this.#head(keys.length, { fix: 0x80, fixMax: 15, wide: 0xde });
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      if (FORBIDDEN_KEYS.has(key)) throw valueInvalid(`it has a key "${key}"`);
      if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX)
        throw valueInvalid("a key is too long or no Unicode");
      this.#text(key);
      this.value(items[index], depth + 1);
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    const { length } = value;
    // A sparse array may be longer than anything that could be written.
    if (length > MSGPACK_ELEMENTS_MAX) throw valueInvalid("it has too many elements");
    this.#head(length, { fix: 0x90, fixMax: 15, wide: 0xdc });
    for (let index = 0; index < length; index++) this.value(value[index] ?? null, depth + 1);
  }

  #binary(value: Uint8Array): void {
    const { length } = value;
    if (length < 0x100) this.#sized(0xc4, length, 1);
    else if (length < 0x1_0000) this.#sized(0xc5, length, 2);
    else this.#sized(0xc6, length, 4);
    this.#room(length);
    this.#bytes.set(value, this.#at);
    this.#at += length;
  }

  #text(value: string): void {
    const { length } = value;
    this.#room(5 + length * 3);
    if (length <= SHORT_TEXT && this.#ascii(value)) return;
    if (!value.isWellFormed()) throw valueInvalid("a text is no Unicode");
    const size = Buffer.byteLength(value);
    if (size < 0x20) this.#byte(0xa0 | size);
    else if (size < 0x100) this.#sized(0xd9, size, 1);
    else if (size < 0x1_0000) this.#sized(0xda, size, 2);
    else this.#sized(0xdb, size, 4);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  /** Writes a short text of ASCII; returns false, with nothing written, when it is another. */
  #ascii(value: string): boolean {
    const { length } = value;
    const bytes = this.#bytes;
    let at = this.#at;
    if (length < 0x20) bytes[at++] = 0xa0 | length;
    else {
      bytes[at++] = 0xd9;
      bytes[at++] = length;
    }
    let bits = 0;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      bits |= code;
      bytes[at++] = code;
    }
    if (bits >= 0x80) return false;
    this.#at = at;
    return true;
  }

  #number(value: number): void {
    if (!Number.isFinite(value)) throw valueInvalid("a number is not finite");
    if (value >>> 0 === value) {
      if (value < 0x80) this.#byte(value);
      else if (value < 0x100) this.#sized(0xcc, value, 1);
      else if (value < 0x1_0000) this.#sized(0xcd, value, 2);
      else this.#sized(0xce, value, 4);
    } else if (value >> 0 === value) {
      if (value >= -0x20) this.#byte(value + 0x100);
      else if (value >= -0x80) this.#sized(0xd0, value + 0x100, 1);
      else if (value >= -0x8000) this.#sized(0xd1, value + 0x1_0000, 2);
      else this.#sized(0xd2, value + 0x1_0000_0000, 4);
    } else {
      this.#byte(0xcb);
      this.#room(8);
      this.#at = this.#bytes.writeDoubleBE(value, this.#at);
    }
  }

  /** Head of an array or map: the count in the type itself, or in two or four bytes after it. */
  #head(count: number, type: { fix: number; fixMax: number; wide: number }): void {
    if (count <= type.fixMax) this.#byte(type.fix | count);
    else if (count < 0x1_0000) this.#sized(type.wide, count, 2);
    else this.#sized(type.wide + 1, count, 4);
  }

  #sized(type: number, value: number, size: 1 | 2 | 4): void {
    this.#byte(type);
    this.#room(4);
    this.#at = this.#bytes.writeUIntBE(value, this.#at, size);
  }

  #byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}
