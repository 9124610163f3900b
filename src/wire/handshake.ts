// Mutual authentication in the SIGMA-I manner (PROTOCOL.md#handshake): ephemeral X25519, identities encrypted,
// both static keys sign the transcript, session keys depend on all of it.
// It must never reveal the initiator to anyone but an authenticated responder, nor give keys out twice.
// Next: exchange.ts carries the messages; record.ts uses the keys.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { OperonError } from "../error.ts";
import { type KeyPair, PublicKey } from "../identity/key.ts";
import { PROTOCOL_VERSION } from "./protocol_version.ts";

const MAGIC = Buffer.from("OPRN");
const HEADER_BYTES = 6;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TAG_BYTES = 16;
const SEALED_BYTES = KEY_BYTES + SIGNATURE_BYTES + TAG_BYTES;
const ZERO_NONCE = Buffer.alloc(12);
const X25519_PRIVATE_DER = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_PUBLIC_DER = Buffer.from("302a300506032b656e032100", "hex");

/** What a finished handshake gives. */
export interface SessionKeys {
  readonly peer: PublicKey;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** Hash that both sides share and nobody else can choose. */
  readonly sessionId: Uint8Array;
}

/** What a side brings. `ephemeralSeed` is for test vectors only. */
export interface HandshakeOptions {
  readonly key: KeyPair;
  readonly ephemeralSeed?: Uint8Array;
}

/** The dialling side. Single use. */
export class HandshakeInitiator {
  /** First message, to be sent at once. */
  readonly message: Uint8Array;
  readonly #options: HandshakeOptions & { readonly expected?: PublicKey };
  readonly #ephemeral: Ephemeral;
  #isUsed = false;

  constructor(options: HandshakeOptions & { readonly expected?: PublicKey }) {
    this.#options = options;
    this.#ephemeral = newEphemeral(options.ephemeralSeed);
    this.message = Buffer.concat([header(1), this.#ephemeral.publicBytes]);
  }

  /** Takes the second message; gives the third and the keys. @throws OperonError `wire.handshake_invalid`, `wire.version_unsupported`, `wire.peer_key_mismatch` */
  receive(reply: Uint8Array): { message: Uint8Array; session: SessionKeys } {
    if (this.#isUsed) throw handshakeInvalid("a message too many");
    this.#isUsed = true;
    const body = bodyOf(reply, 2, KEY_BYTES + SEALED_BYTES);
    const theirEphemeral = body.subarray(0, KEY_BYTES);
    const secret = agree(this.#ephemeral, theirEphemeral);
    const transcript = hash(this.message, reply.subarray(0, HEADER_BYTES + KEY_BYTES));
    const responder = openIdentity(body.subarray(KEY_BYTES), {
      secret,
      transcript,
      role: "responder",
    });
    const { expected, key } = this.#options;
    if (expected && !responder.equals(expected)) throw keyMismatch(expected, responder);
    if (responder.equals(key.publicKey)) throw handshakeInvalid("the peer has our own key");
    const later = hash(this.message, reply);
    const sealed = sealIdentity({ key, secret, transcript: later, role: "initiator" });
    const message = Buffer.concat([header(3), sealed]);
    const keys = deriveSession(secret, hash(this.message, reply, message));
    return {
      message,
      session: {
        peer: responder,
        sendKey: keys.initiator,
        receiveKey: keys.responder,
        sessionId: keys.id,
      },
    };
  }
}

/** The listening side. Single use. */
export class HandshakeResponder {
  readonly #options: HandshakeOptions;
  #state:
    | { readonly secret: Uint8Array; readonly sent: Uint8Array; readonly received: Uint8Array }
    | undefined;
  #isUsed = false;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Takes the first message; gives the second. @throws OperonError `wire.handshake_invalid`, `wire.version_unsupported` */
  receive(greeting: Uint8Array): Uint8Array {
    if (this.#isUsed) throw handshakeInvalid("a message too many");
    this.#isUsed = true;
    const theirEphemeral = bodyOf(greeting, 1, KEY_BYTES);
    const ephemeral = newEphemeral(this.#options.ephemeralSeed);
    const secret = agree(ephemeral, theirEphemeral);
    const open = Buffer.concat([header(2), ephemeral.publicBytes]);
    const transcript = hash(greeting, open);
    const sealed = sealIdentity({ key: this.#options.key, secret, transcript, role: "responder" });
    const sent = Buffer.concat([open, sealed]);
    this.#state = { secret, sent, received: new Uint8Array(greeting) };
    return sent;
  }

  /** Takes the third message; gives the keys. @throws OperonError `wire.handshake_invalid` */
  finish(message: Uint8Array): SessionKeys {
    const state = this.#state;
    this.#state = undefined;
    if (!state) throw handshakeInvalid("a message out of order");
    const body = bodyOf(message, 3, SEALED_BYTES);
    const transcript = hash(state.received, state.sent);
    const peer = openIdentity(body, { secret: state.secret, transcript, role: "initiator" });
    if (peer.equals(this.#options.key.publicKey))
      throw handshakeInvalid("the peer has our own key");
    const keys = deriveSession(state.secret, hash(state.received, state.sent, message));
    return { peer, sendKey: keys.responder, receiveKey: keys.initiator, sessionId: keys.id };
  }
}

type Role = "initiator" | "responder";

interface Ephemeral {
  readonly privateKey: KeyObject;
  readonly publicBytes: Uint8Array;
}

interface IdentityContext {
  readonly secret: Uint8Array;
  /** Hash of everything sent before this identity. */
  readonly transcript: Uint8Array;
  readonly role: Role;
}

function newEphemeral(seed: Uint8Array = randomBytes(KEY_BYTES)): Ephemeral {
  const der = Buffer.concat([X25519_PRIVATE_DER, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return { privateKey, publicBytes: spki.subarray(-KEY_BYTES) };
}

/** RFC 7748 6.1, with the all-zero check: a small-order ephemeral would make the secret public. */
function agree(ours: Ephemeral, theirs: Uint8Array): Uint8Array {
  try {
    const publicKey = createPublicKey({
      key: Buffer.concat([X25519_PUBLIC_DER, theirs]),
      format: "der",
      type: "spki",
    });
    const secret = diffieHellman({ privateKey: ours.privateKey, publicKey });
    if (secret.some((byte) => byte !== 0)) return secret;
  } catch {
    // Falls through: the runtime refuses small-order points too.
  }
  throw handshakeInvalid("a weak ephemeral key");
}

function sealIdentity(context: IdentityContext & { readonly key: KeyPair }): Uint8Array {
  const { key, role, transcript } = context;
  const signature = key.sign(signedText(role, transcript, key.publicKey.bytes));
  const cipher = createCipheriv("aes-256-gcm", identityKey(context), ZERO_NONCE);
  cipher.setAAD(transcript);
  const sealed = cipher.update(Buffer.concat([key.publicKey.bytes, signature]));
  cipher.final();
  return Buffer.concat([sealed, cipher.getAuthTag()]);
}

function openIdentity(sealed: Uint8Array, context: IdentityContext): PublicKey {
  const decipher = createDecipheriv("aes-256-gcm", identityKey(context), ZERO_NONCE);
  decipher.setAAD(context.transcript);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    throw handshakeInvalid("an identity that does not open");
  }
  const key = PublicKey.fromBytes(plain.subarray(0, KEY_BYTES));
  const isSigned = key.verify(
    signedText(context.role, context.transcript, key.bytes),
    plain.subarray(KEY_BYTES),
  );
  if (!isSigned) throw handshakeInvalid("a wrong signature");
  return key;
}

function signedText(role: Role, transcript: Uint8Array, key: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`operon/1 ${role}\0`), transcript, key]);
}

function identityKey({ secret, transcript, role }: IdentityContext): Uint8Array {
  return new Uint8Array(
    hkdfSync("sha256", secret, transcript, `operon/1 ${role} identity`, KEY_BYTES),
  );
}

function deriveSession(
  secret: Uint8Array,
  transcript: Uint8Array,
): { initiator: Uint8Array; responder: Uint8Array; id: Uint8Array } {
  const bytes = new Uint8Array(
    hkdfSync("sha256", secret, transcript, "operon/1 session", 3 * KEY_BYTES),
  );
  return {
    initiator: bytes.subarray(0, 32),
    responder: bytes.subarray(32, 64),
    id: bytes.subarray(64),
  };
}

function header(step: number): Uint8Array {
  return Buffer.concat([MAGIC, Buffer.from([PROTOCOL_VERSION, step])]);
}

function bodyOf(message: Uint8Array, step: number, bytes: number): Uint8Array {
  if (message.byteLength < HEADER_BYTES || !MAGIC.equals(message.subarray(0, MAGIC.length)))
    throw handshakeInvalid("no operon message");
  if (message[4] !== PROTOCOL_VERSION) throw versionUnsupported(message[4] as number);
  if (message[5] !== step) throw handshakeInvalid("a message out of order");
  if (message.byteLength !== HEADER_BYTES + bytes)
    throw handshakeInvalid("a message of the wrong length");
  return message.subarray(HEADER_BYTES);
}

function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function handshakeInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.handshake_invalid",
    kind: "unauthenticated",
    message: `The handshake failed: the peer sent ${what}`,
    hint: "Check that the endpoint is an operon node and that nothing between changes the traffic",
  });
}

function versionUnsupported(theirs: number): OperonError {
  return new OperonError({
    code: "wire.version_unsupported",
    kind: "failed_precondition",
    message: `The peer speaks protocol version ${theirs}, this program speaks ${PROTOCOL_VERSION}`,
    hint: "Update the older of the two",
    data: { theirs, ours: PROTOCOL_VERSION },
  });
}

function keyMismatch(expected: PublicKey, actual: PublicKey): OperonError {
  return new OperonError({
    code: "wire.peer_key_mismatch",
    kind: "unauthenticated",
    message: "The peer proved another key than the one expected",
    hint: "Compare fingerprints with operon node info on that machine",
    data: { expected: expected.id, actual: actual.id },
  });
}
