// Writes test/vector/*.json: fixed inputs, every intermediate value, every malformed class with its error code.
// Deterministic: running it again changes nothing unless the protocol changed.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyPair } from "../src/identity/key.ts";
import { formatCode, proofOf } from "../src/node/invites.ts";
import { requestsText, signRequests, signResponses } from "../src/wire/batch.ts";
import { encode } from "../src/wire/codec.ts";
import { encodeRequest, encodeResponse } from "../src/wire/envelope.ts";
import { HandshakeInitiator, HandshakeResponder } from "../src/wire/handshake.ts";
import { leafHash, merkleTree } from "../src/wire/merkle.ts";
import { encodeMessage, type Message } from "../src/wire/message.ts";
import { RecordSealer } from "../src/wire/record.ts";

const folder = join(import.meta.dir, "..", "test", "vector");
const seed = (label: string) =>
  new Uint8Array(createHash("sha256").update(`operon vector ${label}`).digest());
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const unhex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"));
const alice = KeyPair.fromSeed(seed("alice"));
const bob = KeyPair.fromSeed(seed("bob"));
const TIME_MS = Date.UTC(2026, 10, 21);

function write(name: string, content: object): void {
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(content, null, 2)}\n`);
}

function keys(): object {
  const y = (text: string) => `${text}`;
  return {
    description:
      "Ed25519 keys by seed, and public keys that must be refused (identity.key_invalid)",
    keys: [alice, bob].map((key) => ({
      seed: hex(key.exportSeed()),
      public_key: hex(key.publicKey.bytes),
      id: key.publicKey.id,
      fingerprint: key.publicKey.fingerprint,
    })),
    refused: {
      "all zero (order 4)": y("00".repeat(32)),
      "identity (order 1)": `01${"00".repeat(31)}`,
      "order 2": `ec${"ff".repeat(30)}7f`,
      "order 4, sign bit set": `${"00".repeat(31)}80`,
      "order 8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "order 8, negative": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "order 8, other": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "order 8, other, negative":
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "y = p (not canonical 0)": `ed${"ff".repeat(30)}7f`,
      "y = p + 1 (not canonical 1)": `ee${"ff".repeat(30)}7f`,
      "y = 2^255 - 1": `${"ff".repeat(31)}7f`,
      "31 bytes": "11".repeat(31),
    },
  };
}

function handshake(): object {
  const initiator = new HandshakeInitiator({
    key: alice,
    expected: bob.publicKey,
    ephemeralSeed: seed("eph i"),
  });
  const responder = new HandshakeResponder({ key: bob, ephemeralSeed: seed("eph r") });
  const m2 = responder.receive(initiator.message);
  const { message: m3, session } = initiator.receive(m2);
  responder.finish(m3);
  const sha = (...parts: Uint8Array[]) =>
    hex(createHash("sha256").update(Buffer.concat(parts)).digest());
  const flip = (bytes: Uint8Array, at: number) => {
    const copy = new Uint8Array(bytes);
    copy[at] = (copy[at] as number) ^ 1;
    return hex(copy);
  };
  return {
    description:
      "A handshake with fixed keys; ephemeral seeds are X25519 private keys before clamping",
    initiator_seed: hex(alice.exportSeed()),
    responder_seed: hex(bob.exportSeed()),
    initiator_ephemeral: hex(seed("eph i")),
    responder_ephemeral: hex(seed("eph r")),
    m1: hex(initiator.message),
    m2: hex(m2),
    m3: hex(m3),
    th_r: sha(initiator.message, m2.subarray(0, 38)),
    th_i: sha(initiator.message, m2),
    th: sha(initiator.message, m2, m3),
    k_i: hex(session.sendKey),
    k_r: hex(session.receiveKey),
    session_id: hex(session.sessionId),
    refused_m1: {
      "wrong magic": { message: flip(initiator.message, 0), code: "wire.handshake_invalid" },
      "version 2": {
        message: hex(Buffer.concat([Buffer.from("OPRN\x02\x01"), initiator.message.subarray(6)])),
        code: "wire.version_unsupported",
      },
      "step 2": {
        message: hex(Buffer.concat([Buffer.from("OPRN\x01\x02"), initiator.message.subarray(6)])),
        code: "wire.handshake_invalid",
      },
      short: { message: hex(initiator.message.subarray(0, 37)), code: "wire.handshake_invalid" },
      "a byte too many": { message: `${hex(initiator.message)}00`, code: "wire.handshake_invalid" },
      "ephemeral of small order": {
        message: `4f50524e0101${"00".repeat(32)}`,
        code: "wire.handshake_invalid",
      },
    },
    refused_m2: {
      "changed ephemeral": { message: flip(m2, 10), code: "wire.handshake_invalid" },
      "changed box": { message: flip(m2, 60), code: "wire.handshake_invalid" },
      "changed tag": { message: flip(m2, 149), code: "wire.handshake_invalid" },
      short: { message: hex(m2.subarray(0, 149)), code: "wire.handshake_invalid" },
    },
    refused_m3: {
      "changed box": { message: flip(m3, 20), code: "wire.handshake_invalid" },
      "m1 again": { message: hex(initiator.message), code: "wire.handshake_invalid" },
      short: { message: hex(m3.subarray(0, 117)), code: "wire.handshake_invalid" },
    },
  };
}

function records(): object {
  const key = seed("record key");
  const sealer = new RecordSealer(key);
  const plaintexts = ["", "00", "68656c6c6f", "ab".repeat(1000)];
  return {
    description: "Records of one direction, in order",
    key: hex(key),
    records: plaintexts.map((plaintext, counter) => ({
      counter,
      plaintext,
      record: hex(sealer.seal([unhex(plaintext)])),
    })),
  };
}

const REQUEST = encodeRequest({ operation: "fs.read", input: { path: "/notes.txt" } });
const requests = [
  REQUEST,
  encodeRequest({ operation: "node.info", input: {} }),
  encodeRequest({ operation: "fs.stat", input: { path: "/" }, timeout_ms: 1000 }),
];
const batch = signRequests({
  key: alice,
  addressee: bob.publicKey,
  batchId: seed("batch").subarray(0, 16),
  timeMs: TIME_MS,
  requests,
});
const responses = [
  encodeResponse({
    request: leafHash(REQUEST),
    ok: true,
    output: { size_bytes: 5 },
    receipt: {
      decision: { verdict: "allow", reason: "allowed", rule: { role: "operator", index: 0 } },
    },
  }),
  encodeResponse({
    request: leafHash(requests[1] as Uint8Array),
    ok: false,
    error: { code: "policy.denied", kind: "permission_denied", message: "No" },
  }),
];
const responseBatch = signResponses({ key: bob, timeMs: TIME_MS, responses });

function batches(): object {
  const leaves = requests.map(leafHash);
  const { path, root } = merkleTree(leaves);
  return {
    description: "A batch of three requests and one of two responses",
    signer_seed: hex(alice.exportSeed()),
    addressee: hex(bob.publicKey.bytes),
    batch_id: hex(batch.batch_id),
    time_ms: TIME_MS,
    requests: requests.map(hex),
    leaves: leaves.map(hex),
    root: hex(root),
    paths: leaves.map((_leaf, index) => path(index).map(hex)),
    signed_text: hex(requestsText(batch, root)),
    signature: hex(batch.signature),
    responses: {
      signer_seed: hex(bob.exportSeed()),
      time_ms: TIME_MS,
      bodies: responses.map(hex),
      signature: hex(responseBatch.signature),
    },
  };
}

const MESSAGES: Record<string, Message> = {
  hello: { type: "hello", protocol: 1, time_ms: TIME_MS, software: "operon/0.1.0" },
  requests: {
    type: "requests",
    batch,
    requests: requests.map((bytes, index) => ({ stream_id: 1 + 2 * index, bytes })),
  },
  responses: {
    type: "responses",
    batch: responseBatch,
    responses: responses.map((bytes, index) => ({ stream_id: 1 + 2 * index, bytes })),
  },
  chunk: {
    type: "chunk",
    stream_id: 7,
    end: false,
    values: false,
    channel: 1,
    position: 2 ** 32 + 5,
    payload: unhex("68656c6c6f"),
  },
  "chunk of values": {
    type: "chunk",
    stream_id: 7,
    end: false,
    values: true,
    channel: 0,
    position: 0,
    payload: encode([1, "two", { three: 3 }]),
  },
  "end of a stream": {
    type: "chunk",
    stream_id: 7,
    end: true,
    values: false,
    channel: 0,
    position: 5,
    payload: new Uint8Array(),
  },
  credit: { type: "credit", stream_id: 7, bytes: 1_048_576 },
  cancel: { type: "cancel", stream_id: 7, reason: 0 },
  ping: { type: "ping", token: 0x0123456789abcdefn },
  pong: { type: "pong", token: 0xffffffffffffffffn },
  goaway: { type: "goaway", reason: 0, message: "The node is shutting down" },
};
const LOCAL_MESSAGES: Record<string, Message> = {
  call: { type: "call", stream_id: 1, node: "gpu", bytes: REQUEST },
  relay: {
    type: "relay",
    node: "gpu",
    batch,
    requests: requests.map((bytes, index) => ({ stream_id: 1 + 2 * index, bytes })),
  },
  results: {
    type: "results",
    results: responses.map((bytes, index) => ({ stream_id: 1 + 2 * index, bytes })),
  },
};

function messages(): object {
  const bytesOf = (message: Message) => hex(Buffer.concat(encodeMessage(message)));
  const all = (group: Record<string, Message>) =>
    Object.fromEntries(
      Object.entries(group).map(([name, message]) => [
        name,
        { fields: plain(message), plaintext: bytesOf(message) },
      ]),
    );
  const refused = {
    "empty record": "",
    "length past the end": "00000005 30 00",
    "length zero": "00000000",
    "half a length": "000000",
    "unknown type": "00000001 7f",
    "bytes after a ping": "0000000a 30 0000000000000001 00",
    "ping too short": "00000008 30 00000000000000",
    "unknown flag": "0000000f 20 00000007 04 00 0000000000000000",
    "position beyond 2^53": "0000000f 20 00000007 00 00 0020000000000000",
    "hello with a text that is not UTF-8": "0000000d 01 0001 0000000000000000 c328",
    "credit too short": "00000005 21 00000007",
    "goaway with a long text": `00000203 32 00 ${"61".repeat(513)}`,
    "batch of no requests": `0000009b 10 ${"00".repeat(88)} 0000 ${"00".repeat(64)}`,
    "batch of 257 requests": `0000009b 10 ${"00".repeat(88)} 0101 ${"00".repeat(64)}`,
    "item past the end": `000000a3 10 ${"00".repeat(88)} 0001 ${"00".repeat(64)} 00000001 000000ff`,
    "empty envelope": `000000a3 10 ${"00".repeat(88)} 0001 ${"00".repeat(64)} 00000001 00000000`,
    "a call outside a local socket": bytesOf(LOCAL_MESSAGES.call as Message),
    "a relay outside a local socket": bytesOf(LOCAL_MESSAGES.relay as Message),
    "results outside a local socket": bytesOf(LOCAL_MESSAGES.results as Message),
  };
  return {
    description:
      "Plaintexts of records with one message each; refused ones with wire.message_invalid",
    messages: all(MESSAGES),
    local_messages: all(LOCAL_MESSAGES),
    refused: Object.fromEntries(
      Object.entries(refused).map(([name, text]) => [name, text.replace(/\s/g, "")]),
    ),
  };
}

function encoding(): object {
  const deep = `${"91".repeat(33)}c0`;
  return {
    description:
      "MessagePack values, and encodings that must be refused with wire.encoding_invalid",
    accepted: {
      c0: null,
      c3: true,
      cd0100: 256,
      cc01: 1,
      d9026869: "hi",
      cb3ff8000000000000: 1.5,
      cf001fffffffffffff: Number.MAX_SAFE_INTEGER,
      "82a16101a1629102": { a: 1, b: [2] },
      df00000001a16101: { a: 1 },
      a4f09f9880: "😀",
    },
    refused: {
      empty: "",
      "bytes after the value": "c0c0",
      "early end": "92c0",
      "string past the end": "d9ff61",
      "bin length 2^32 - 1": "c6ffffffff00",
      "array count 2^32 - 1": "ddffffffff",
      "map count 2^32 - 1": "dfffffffff",
      "a key twice": "82a16101a16102",
      __proto__: `81a9${Buffer.from("__proto__").toString("hex")}c0`,
      constructor: `81ab${Buffer.from("constructor").toString("hex")}c0`,
      prototype: `81a9${Buffer.from("prototype").toString("hex")}c0`,
      "a key that is a number": "8101c0",
      "a key that is nil": "81c0c0",
      "extension type": "d40100",
      "extension of length 2^32 - 1": "c9ffffffff01",
      timestamp: "d6ff00000000",
      "reserved byte": "c1",
      NaN: "cb7ff8000000000000",
      "NaN in four bytes": "ca7fc00000",
      Infinity: "cb7ff0000000000000",
      "integer 2^53": "cf0020000000000000",
      "integer -2^53": "d3ffe0000000000000",
      "text that is not UTF-8": "a2c328",
      "a surrogate as UTF-8": "a3eda080",
      "33 levels": deep,
    },
  };
}

function envelopes(): object {
  const bad = (value: unknown) => hex(encode(value));
  const good = { operation: "fs.read", input: {} };
  const digest = leafHash(REQUEST);
  return {
    description: "Request and response envelopes; refused ones with wire.envelope_invalid",
    requests: requests.map(hex),
    responses: responses.map(hex),
    refused_requests: {
      "no operation": bad({ input: {} }),
      "operation without a dot": bad({ operation: "fsread", input: {} }),
      "operation in capitals": bad({ operation: "FS.read", input: {} }),
      "no input": bad({ operation: "fs.read" }),
      "an unknown field": bad({ ...good, roles: ["operator"] }),
      "a negative timeout": bad({ ...good, timeout_ms: -1 }),
      "a timeout that is too long": bad({ ...good, timeout_ms: 86_400_001 }),
      "a timeout with a fraction": bad({ ...good, timeout_ms: 1.5 }),
      "a trace id in capitals": bad({ ...good, trace: { trace_id: "A".repeat(32) } }),
      "an unknown trace field": bad({ ...good, trace: { trace_id: "a".repeat(32), x: 1 } }),
      "grants that are no bytes": bad({ ...good, grants: ["x"] }),
      "an array": bad([good]),
      nil: bad(null),
    },
    refused_responses: {
      "a digest that is too short": bad({ request: digest.subarray(1), ok: true, output: null }),
      "output and error": bad({
        request: digest,
        ok: true,
        output: null,
        error: { code: "x", kind: "unknown", message: "" },
      }),
      "no error": bad({ request: digest, ok: false }),
      "an unknown kind": bad({
        request: digest,
        ok: false,
        error: { code: "x", kind: "odd", message: "" },
      }),
      "an unknown field": bad({ request: digest, ok: true, output: null, extra: 1 }),
      "an unknown verdict": bad({
        request: digest,
        ok: true,
        output: null,
        receipt: { decision: { verdict: "maybe", reason: "x" } },
      }),
    },
  };
}

function joining(): object {
  const secret = seed("secret").subarray(0, 16);
  return {
    description: "An invitation by bob, redeemed by alice",
    endpoint: "ws://127.0.0.1:7789",
    inviter: bob.publicKey.id,
    joiner: alice.publicKey.id,
    secret: hex(secret),
    code: formatCode({ endpoint: "ws://127.0.0.1:7789", key: bob.publicKey, secret }),
    verifier: createHash("sha256").update("operon/1 invite\0").update(secret).digest("hex"),
    proof: proofOf(secret, bob.publicKey, alice.publicKey.id),
  };
}

/** A message as JSON: bytes in hex, tokens as text. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

mkdirSync(folder, { recursive: true });
for (const make of [keys, handshake, records, batches, messages, encoding, envelopes, joining])
  write(make.name, make());
