// OpenSSH's Ed25519 keys as identities: a private key file, a line of authorized_keys (PROTOCOL.key of openssh-portable).
// It must never guess: encrypted keys and other types are refused with what to do instead.
// Next: keystore.ts loads them; policy names principals by authorized_keys lines.

import { OperonError } from "../error.ts";
import { KeyPair, PublicKey } from "./key.ts";

const BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC = "openssh-key-v1\0";
const TYPE = "ssh-ed25519";

/** Whether a text looks like an OpenSSH private key file. */
export function isOpenSshPrivateKey(text: string): boolean {
  return text.startsWith(BEGIN);
}

/** @throws OperonError `identity.ssh_key_encrypted`, `identity.ssh_key_invalid` */
export function parseOpenSshPrivateKey(text: string): KeyPair {
  const end = text.indexOf(END);
  if (!isOpenSshPrivateKey(text) || end < 0) throw invalid("it is not in OpenSSH's format");
  const bytes = Buffer.from(text.slice(BEGIN.length, end).replace(/\s+/g, ""), "base64");
  if (bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC)
    throw invalid("it is not in OpenSSH's format");
  const outer = new SshReader(bytes.subarray(MAGIC.length));
  const cipher = outer.text();
  outer.bytes();
  outer.bytes();
  if (cipher !== "none") throw encrypted();
  if (outer.u32() !== 1) throw invalid("it holds more than one key");
  outer.bytes();
  const inner = new SshReader(outer.bytes());
  const check = inner.u32();
  if (check !== inner.u32()) throw invalid("its check numbers differ");
  const type = inner.text();
  if (type !== TYPE) throw invalid(`it is of type ${type.slice(0, 32)}`);
  const publicBytes = inner.bytes();
  const secret = inner.bytes();
  if (secret.byteLength !== 64) throw invalid("its secret has the wrong length");
  const key = KeyPair.fromSeed(secret.subarray(0, 32));
  if (!key.publicKey.equals(PublicKey.fromBytes(publicBytes)))
    throw invalid("its halves do not belong together");
  return key;
}

/** A line of authorized_keys without options: `ssh-ed25519 AAAA… comment`. @throws OperonError `identity.ssh_key_invalid` */
export function parseAuthorizedKey(line: string): { key: PublicKey; comment: string } {
  const [type, blob, ...comment] = line.trim().split(/\s+/);
  if (type !== TYPE || blob === undefined) throw invalid(`the line does not start with ${TYPE}`);
  const reader = new SshReader(Buffer.from(blob, "base64"));
  if (reader.text() !== TYPE) throw invalid("its type does not match its content");
  const key = PublicKey.fromBytes(reader.bytes());
  if (reader.remaining > 0) throw invalid("bytes follow the key");
  return { key, comment: comment.join(" ") };
}

/** The line for authorized_keys. */
export function formatAuthorizedKey(key: PublicKey, comment: string): string {
  const blob = Buffer.concat([field(Buffer.from(TYPE)), field(key.bytes)]).toString("base64");
  return `${TYPE} ${blob}${comment === "" ? "" : ` ${comment}`}`;
}

function field(bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.byteLength);
  return Buffer.concat([length, bytes]);
}

/** Reads SSH's length-prefixed fields (RFC 4251 section 5). */
class SshReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  u32(): number {
    if (this.remaining < 4) throw invalid("it ends early");
    this.#offset += 4;
    return this.#bytes.readUInt32BE(this.#offset - 4);
  }

  bytes(): Uint8Array {
    const length = this.u32();
    if (length > this.remaining) throw invalid("it ends early");
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  text(): string {
    return Buffer.from(this.bytes()).toString("latin1");
  }
}

function encrypted(): OperonError {
  return new OperonError({
    code: "identity.ssh_key_encrypted",
    kind: "failed_precondition",
    message: "The SSH key is protected by a passphrase",
    hint: "Make one for operon without a passphrase: ssh-keygen -t ed25519 -N '' -f KEYFILE",
  });
}

function invalid(why: string): OperonError {
  return new OperonError({
    code: "identity.ssh_key_invalid",
    kind: "invalid_argument",
    message: `The SSH key cannot be used: ${why}`,
    hint: "Only Ed25519 keys serve as identities: ssh-keygen -t ed25519",
  });
}
