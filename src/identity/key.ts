// Ed25519 keys: who a node or principal is. Native cryptography, tweetnacl-compatible 32-byte seeds (RFC 8032).
// It must never accept a key or signature with a second spelling: small order, non-canonical y or S are refused.
// Next: keystore.ts keeps keys on disk; wire/handshake.ts and wire/batch.ts sign with them.

import type { KeyObject } from "node:crypto";
import { OperonError } from "../error.ts";
import { decodeBase32, encodeBase32 } from "./base32.ts";
import { isCanonicalPoint, isCanonicalScalar, isSmallOrder } from "./curve.ts";
import { nativeCrypto } from "./native_crypto.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const ID_PREFIX = "ed25519:";
/** DER prefixes of RFC 8410 section 7 (PKCS #8) and section 4 (SPKI). */
const PRIVATE_DER = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_DER = Buffer.from("302a300506032b6570032100", "hex");

/** The public half of a key: an identity. */
export class PublicKey {
  readonly bytes: Uint8Array;
  /** `ed25519:` and the key in base32 (RFC 4648 section 6, lower case, no padding). */
  readonly id: string;
  #object: KeyObject | undefined;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.id = ID_PREFIX + encodeBase32(bytes);
  }

  /** @throws OperonError `identity.key_invalid` for anything but 32 bytes of a canonical point of large order */
  static fromBytes(bytes: Uint8Array): PublicKey {
    if (bytes.byteLength !== KEY_BYTES || !isCanonicalPoint(bytes) || isSmallOrder(bytes))
      throw keyInvalid();
    return new PublicKey(new Uint8Array(bytes));
  }

  /** @throws OperonError `identity.key_invalid` */
  static parse(id: string): PublicKey {
    const bytes = id.startsWith(ID_PREFIX) ? decodeBase32(id.slice(ID_PREFIX.length)) : undefined;
    if (!bytes) throw keyInvalid();
    return PublicKey.fromBytes(bytes);
  }

  /** The raw key in hex, as audit checkpoints and file names have it. */
  get hex(): string {
    return Buffer.from(this.bytes).toString("hex");
  }

  /** Short form for people to compare: the first 16 base32 characters in groups of 4. */
  get fingerprint(): string {
    return (this.id.slice(ID_PREFIX.length).match(/.{4}/g) ?? []).slice(0, 4).join("-");
  }

  /** Whether `signature` over `message` is this key's (RFC 8032 5.1.7, canonical S only). */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (signature.byteLength !== SIGNATURE_BYTES || !isCanonicalScalar(signature.subarray(32)))
      return false;
    this.#object ??= nativeCrypto().createPublicKey({
      key: Buffer.concat([PUBLIC_DER, this.bytes]),
      format: "der",
      type: "spki",
    });
    return nativeCrypto().verify(null, message, this.#object, signature);
  }

  equals(other: PublicKey): boolean {
    return this.id === other.id;
  }
}

/** A key that can sign. */
export class KeyPair {
  readonly publicKey: PublicKey;
  readonly #seed: Uint8Array;
  readonly #object: KeyObject;

  private constructor(seed: Uint8Array) {
    this.#seed = seed;
    this.#object = nativeCrypto().createPrivateKey({
      key: Buffer.concat([PRIVATE_DER, seed]),
      format: "der",
      type: "pkcs8",
    });
    const spki = nativeCrypto()
      .createPublicKey(this.#object)
      .export({ format: "der", type: "spki" });
    this.publicKey = PublicKey.fromBytes(spki.subarray(-KEY_BYTES));
  }

  static generate(): KeyPair {
    return new KeyPair(new Uint8Array(nativeCrypto().randomBytes(KEY_BYTES)));
  }

  /** @throws OperonError `identity.key_invalid` unless the seed has 32 bytes */
  static fromSeed(seed: Uint8Array): KeyPair {
    if (seed.byteLength !== KEY_BYTES) throw keyInvalid();
    return new KeyPair(new Uint8Array(seed));
  }

  /** Ed25519 signature (64 bytes). */
  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(nativeCrypto().sign(null, message, this.#object));
  }

  /** The secret itself, for the keystore alone. */
  exportSeed(): Uint8Array {
    return new Uint8Array(this.#seed);
  }
}

function keyInvalid(): OperonError {
  return new OperonError({
    code: "identity.key_invalid",
    kind: "invalid_argument",
    message: "This is not a valid Ed25519 public key",
    hint: "A key id looks like ed25519: followed by 52 letters and digits; operon node info prints a node's",
  });
}
