// Records: AES-256-GCM with an implicit counter nonce per direction (PROTOCOL.md#records).
// It must never use a nonce twice nor open a record out of order.
// Next: handshake.ts derives the keys; sealed.ts carries the records.

import { createCipheriv, createDecipheriv } from "node:crypto";
import { OperonError } from "../error.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";

const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** Records one key may seal; a session that reaches it ends. */
const RECORDS_MAX = 2 ** 32;

/** The record that was sealed last. One for all: memory that is new for each of them costs more than sealing it. */
let sealed: Buffer | undefined;

/** Seals records of one direction. */
export class RecordSealer {
  readonly #key: Uint8Array;
  #counter = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * Ciphertext and tag of the parts, joined, where any sealer's next record will be: whoever keeps it copies it.
   * @throws OperonError `wire.session_exhausted`; RangeError when it would be longer than a record may be
   */
  seal(parts: readonly Uint8Array[]): Uint8Array {
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonceOf(this.#next()));
    sealed ??= Buffer.allocUnsafeSlow(RECORD_BYTES_MAX);
    let end = 0;
    for (const part of parts) {
      const bytes = cipher.update(part);
      sealed.set(bytes, end);
      end += bytes.byteLength;
    }
    cipher.final();
    sealed.set(cipher.getAuthTag(), end);
    return sealed.subarray(0, end + TAG_BYTES);
  }

  #next(): number {
    if (this.#counter >= RECORDS_MAX) {
      throw new OperonError({
        code: "wire.session_exhausted",
        kind: "unavailable",
        message: "The session has sealed as many records as its keys may",
        hint: "Connect again",
      });
    }
    return this.#counter++;
  }
}

/** Opens records of one direction, in order. */
export class RecordOpener {
  readonly #key: Uint8Array;
  #counter = 0;
  #isBroken = false;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** @throws OperonError `wire.record_invalid`; it opens nothing afterwards */
  open(record: Uint8Array): Uint8Array {
    if (this.#isBroken || record.byteLength < TAG_BYTES || this.#counter >= RECORDS_MAX)
      throw this.#broken();
    const decipher = createDecipheriv("aes-256-gcm", this.#key, nonceOf(this.#counter++));
    const end = record.byteLength - TAG_BYTES;
    decipher.setAuthTag(record.subarray(end));
    const plaintext = decipher.update(record.subarray(0, end));
    try {
      decipher.final();
    } catch {
      throw this.#broken();
    }
    return plaintext;
  }

  #broken(): OperonError {
    this.#isBroken = true;
    return new OperonError({
      code: "wire.record_invalid",
      kind: "data_loss",
      message: "A record was altered, lost or out of order",
      hint: "Something between the nodes interferes with the connection; it is made anew",
    });
  }
}

function nonceOf(counter: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(counter), 4);
  return nonce;
}
