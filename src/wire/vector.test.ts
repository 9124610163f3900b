// The code against test/vector/*.json, the same files a peer in another language is written from.
import { expect, test } from "bun:test";
import { createCipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import nacl from "tweetnacl";
import { OperonError } from "../error.ts";
import { KeyPair, PublicKey } from "../identity/key.ts";
import { verifyRequests, verifyResponses } from "./batch.ts";
import { decode } from "./codec.ts";
import { decodeRequest, decodeResponse } from "./envelope.ts";
import { HandshakeInitiator, HandshakeResponder } from "./handshake.ts";
import { leafHash, rootFromPath } from "./merkle.ts";
import { decodeMessages, encodeMessage } from "./message.ts";
import { RecordOpener, RecordSealer } from "./record.ts";

type Json = Record<string, unknown>;
const read = (name: string) =>
  JSON.parse(
    readFileSync(join(import.meta.dir, "../../test/vector", `${name}.json`), "utf8"),
  ) as Json;
const unhex = (text: unknown) => new Uint8Array(Buffer.from(text as string, "hex"));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const entries = <Value>(group: unknown) => Object.entries(group as Record<string, Value>);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof OperonError ? error.code : `thrown ${String(error)}`;
  }
  return "accepted";
}

test("keys: ids belong to seeds, in native code and in tweetnacl", () => {
  for (const { seed, public_key, id, fingerprint } of read("keys").keys as Record<
    string,
    string
  >[]) {
    expect(KeyPair.fromSeed(unhex(seed)).publicKey.id).toBe(id as string);
    expect(hex(nacl.sign.keyPair.fromSeed(unhex(seed)).publicKey)).toBe(public_key as string);
    expect(PublicKey.parse(id as string).fingerprint).toBe(fingerprint as string);
  }
});

for (const [name, key] of entries<string>(read("keys").refused)) {
  test(`attack 8: a key is refused: ${name}`, () => {
    expect(codeOf(() => PublicKey.fromBytes(unhex(key)))).toBe("identity.key_invalid");
  });
}

test("handshake: both sides make the messages and keys of the vector", () => {
  const v = read("handshake");
  const initiator = new HandshakeInitiator({
    key: KeyPair.fromSeed(unhex(v.initiator_seed)),
    ephemeralSeed: unhex(v.initiator_ephemeral),
  });
  const responder = new HandshakeResponder({
    key: KeyPair.fromSeed(unhex(v.responder_seed)),
    ephemeralSeed: unhex(v.responder_ephemeral),
  });
  expect(hex(initiator.message)).toBe(v.m1 as string);
  const m2 = responder.receive(initiator.message);
  expect(hex(m2)).toBe(v.m2 as string);
  const { message, session } = initiator.receive(m2);
  expect(hex(message)).toBe(v.m3 as string);
  const served = responder.finish(message);
  expect([hex(session.sendKey), hex(session.receiveKey), hex(session.sessionId)]).toEqual([
    v.k_i,
    v.k_r,
    v.session_id,
  ] as string[]);
  expect([hex(served.receiveKey), hex(served.sendKey), hex(served.sessionId)]).toEqual([
    v.k_i,
    v.k_r,
    v.session_id,
  ] as string[]);
});

test("handshake: the vector follows from PROTOCOL.md alone, with tweetnacl's curve and signatures", () => {
  const v = read("handshake");
  const secret = nacl.scalarMult(
    unhex(v.initiator_ephemeral),
    nacl.scalarMult.base(unhex(v.responder_ephemeral)),
  );
  const hkdf = (salt: unknown, info: string, size: number) =>
    Buffer.from(hkdfSync("sha256", secret, unhex(salt), info, size));
  const box = (role: string, seed: unknown, th: unknown) => {
    const pair = nacl.sign.keyPair.fromSeed(unhex(seed));
    const signature = nacl.sign.detached(
      Buffer.concat([Buffer.from(`operon/1 ${role}\0`), unhex(th), pair.publicKey]),
      pair.secretKey,
    );
    const cipher = createCipheriv(
      "aes-256-gcm",
      hkdf(th, `operon/1 ${role} identity`, 32),
      Buffer.alloc(12),
    ).setAAD(unhex(th));
    return Buffer.concat([
      cipher.update(Buffer.concat([pair.publicKey, signature])),
      cipher.final(),
      cipher.getAuthTag(),
    ]).toString("hex");
  };
  expect((v.m2 as string).slice(76)).toBe(box("responder", v.responder_seed, v.th_r));
  expect((v.m3 as string).slice(12)).toBe(box("initiator", v.initiator_seed, v.th_i));
  expect(hkdf(v.th, "operon/1 session", 96).toString("hex")).toBe(
    `${v.k_i}${v.k_r}${v.session_id}`,
  );
});

const fresh = () => {
  const v = read("handshake");
  const initiator = new HandshakeInitiator({
    key: KeyPair.fromSeed(unhex(v.initiator_seed)),
    ephemeralSeed: unhex(v.initiator_ephemeral),
  });
  const responder = new HandshakeResponder({
    key: KeyPair.fromSeed(unhex(v.responder_seed)),
    ephemeralSeed: unhex(v.responder_ephemeral),
  });
  return { v, initiator, responder };
};
for (const step of ["refused_m1", "refused_m2", "refused_m3"] as const) {
  for (const [name, { message, code }] of entries<{ message: string; code: string }>(
    read("handshake")[step],
  )) {
    test(`attack 7: handshake ${step.slice(-2)} is refused: ${name}`, () => {
      const { v, initiator, responder } = fresh();
      const act = {
        refused_m1: () => responder.receive(unhex(message)),
        refused_m2: () => initiator.receive(unhex(message)),
        refused_m3: () => {
          responder.receive(unhex(v.m1));
          responder.finish(unhex(message));
        },
      };
      expect(codeOf(act[step])).toBe(code);
    });
  }
}

test("records: each seals and opens as in the vector", () => {
  const v = read("records");
  const sealer = new RecordSealer(unhex(v.key));
  const opener = new RecordOpener(unhex(v.key));
  for (const { plaintext, record } of v.records as { plaintext: string; record: string }[]) {
    expect(hex(sealer.seal([unhex(plaintext)]))).toBe(record);
    expect(hex(opener.open(unhex(record)))).toBe(plaintext);
  }
});

test("batches: signatures, roots and paths hold, in native code and in tweetnacl", () => {
  const v = read("batches");
  const requests = (v.requests as string[]).map(unhex);
  const signer = nacl.sign.keyPair.fromSeed(unhex(v.signer_seed)).publicKey;
  const head = {
    signer,
    addressee: unhex(v.addressee),
    batch_id: unhex(v.batch_id),
    time_ms: v.time_ms as number,
    count: requests.length,
    signature: unhex(v.signature),
  };
  expect(hex(verifyRequests(head, requests).tree.root)).toBe(v.root as string);
  expect(nacl.sign.detached.verify(unhex(v.signed_text), head.signature, signer)).toBeTrue();
  requests.forEach((request, index) => {
    const path = (v.paths as string[][])[index]?.map(unhex) ?? [];
    expect(
      hex(
        rootFromPath({
          leaf: leafHash(request),
          index,
          count: requests.length,
          path,
        }) as Uint8Array,
      ),
    ).toBe(v.root as string);
  });
  const responses = v.responses as Json;
  const bodies = (responses.bodies as string[]).map(unhex);
  const responder = nacl.sign.keyPair.fromSeed(unhex(responses.signer_seed)).publicKey;
  const responseHead = {
    signer: responder,
    time_ms: responses.time_ms as number,
    count: bodies.length,
    signature: unhex(responses.signature),
  };
  verifyResponses(responseHead, bodies);
  expect(codeOf(() => verifyResponses(responseHead, bodies.toReversed()))).toBe(
    "wire.signature_invalid",
  );
  expect(codeOf(() => verifyRequests(head, requests.toReversed()))).toBe("wire.signature_invalid");
  expect(codeOf(() => verifyRequests({ ...head, time_ms: head.time_ms + 1 }, requests))).toBe(
    "wire.signature_invalid",
  );
  expect(
    codeOf(() => verifyRequests({ ...head, addressee: responder.toReversed() }, requests)),
  ).toBe("wire.signature_invalid");
});

test("attack 8: a signature whose S is not below the group order is refused", () => {
  const v = read("batches");
  const key = KeyPair.fromSeed(unhex(v.signer_seed));
  const message = unhex(v.signed_text);
  const signature = unhex(v.signature);
  expect(key.publicKey.verify(message, signature)).toBeTrue();
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = BigInt(`0x${hex(signature.subarray(32).toReversed())}`) + order;
  const other = new Uint8Array(signature);
  for (let index = 32; index < 64; index++) {
    other[index] = Number(s & 0xffn);
    s >>= 8n;
  }
  expect(key.publicKey.verify(message, other)).toBeFalse();
});

for (const [name, { plaintext }] of entries<{ plaintext: string }>(read("messages").messages)) {
  test(`messages: ${name} decodes and encodes to the same bytes`, () => {
    const [message, ...more] = decodeMessages(unhex(plaintext));
    expect(more).toHaveLength(0);
    expect(hex(Buffer.concat(encodeMessage(message as NonNullable<typeof message>)))).toBe(
      plaintext,
    );
  });
}
for (const [name, { plaintext }] of entries<{ plaintext: string }>(
  read("messages").local_messages,
)) {
  test(`local messages: ${name} decodes and encodes to the same bytes`, () => {
    const [message] = decodeMessages(unhex(plaintext), { local: true });
    expect(hex(Buffer.concat(encodeMessage(message as NonNullable<typeof message>)))).toBe(
      plaintext,
    );
  });
}
for (const [name, plaintext] of entries<string>(read("messages").refused)) {
  test(`messages: refused: ${name}`, () => {
    expect(codeOf(() => decodeMessages(unhex(plaintext)))).toBe("wire.message_invalid");
  });
}

for (const [bytes, value] of entries<unknown>(read("encoding").accepted)) {
  test(`encoding: ${bytes} is ${JSON.stringify(value)}`, () => {
    expect(decode(unhex(bytes))).toEqual(value);
  });
}
for (const [name, bytes] of entries<string>(read("encoding").refused)) {
  test(`attack 9: an encoding is refused: ${name}`, () => {
    expect(codeOf(() => decode(unhex(bytes)))).toBe("wire.encoding_invalid");
  });
}

test("attack 9: 100,000 levels, 2^32 - 1 elements and 100,000 elements cost no memory", () => {
  const before = process.memoryUsage().heapUsed;
  expect(codeOf(() => decode(new Uint8Array(100_000).fill(0x91)))).toBe("wire.encoding_invalid");
  expect(codeOf(() => decode(new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff])))).toBe(
    "wire.encoding_invalid",
  );
  expect(
    codeOf(() => decode(new Uint8Array([0xdd, 0, 1, 0x86, 0xa0, ...new Uint8Array(100_000)]))),
  ).toBe("wire.encoding_invalid");
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(16 * 1024 * 1024);
});

test("envelopes: those of the vector decode", () => {
  const v = read("envelopes");
  expect((v.requests as string[]).map((bytes) => decodeRequest(unhex(bytes)).operation)).toEqual([
    "fs.read",
    "node.info",
    "fs.stat",
  ]);
  expect((v.responses as string[]).map((bytes) => decodeResponse(unhex(bytes)).ok)).toEqual([
    true,
    false,
  ]);
});
for (const [name, bytes] of entries<string>(read("envelopes").refused_requests)) {
  test(`envelopes: a request is refused: ${name}`, () => {
    expect(codeOf(() => decodeRequest(unhex(bytes)))).toBe("wire.envelope_invalid");
  });
}
for (const [name, bytes] of entries<string>(read("envelopes").refused_responses)) {
  test(`envelopes: a response is refused: ${name}`, () => {
    expect(codeOf(() => decodeResponse(unhex(bytes)))).toBe("wire.envelope_invalid");
  });
}

test("joining: verifier and proof follow from PROTOCOL.md", () => {
  const v = read("joining");
  const verifier = createHash("sha256")
    .update("operon/1 invite\0")
    .update(unhex(v.secret))
    .digest();
  expect(verifier.toString("hex")).toBe(v.verifier as string);
  const proof = createHmac("sha256", verifier)
    .update(`operon/1 join\0${v.inviter}\0${v.joiner}`)
    .digest("hex");
  expect(proof).toBe(v.proof as string);
  const [endpoint, key, secret] = Buffer.from(
    (v.code as string).slice("operon1-".length),
    "base64url",
  )
    .toString()
    .split(" ");
  expect(endpoint).toBe(v.endpoint as string);
  expect(PublicKey.fromBytes(Buffer.from(key as string, "base64url")).id).toBe(v.inviter as string);
  expect(Buffer.from(secret as string, "base64url").toString("hex")).toBe(v.secret as string);
});

test("vectors: the generator makes exactly the files in the repository", () => {
  const before = Object.fromEntries(VECTORS.map((name) => [name, JSON.stringify(read(name))]));
  const made = Bun.spawnSync([process.execPath, join(import.meta.dir, "../../scripts/vectors.ts")]);
  expect(made.exitCode).toBe(0);
  for (const name of VECTORS) expect(JSON.stringify(read(name))).toBe(before[name] as string);
});
const VECTORS = [
  "keys",
  "handshake",
  "records",
  "batches",
  "messages",
  "encoding",
  "envelopes",
  "joining",
];
