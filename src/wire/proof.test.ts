import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import nacl from "tweetnacl";
import { KeyPair } from "../identity/key.ts";
import { signRequests } from "./batch.ts";
import { encodeRequest } from "./envelope.ts";
import { leafHash, merkleTree } from "./merkle.ts";
import { checkRequestProof, type RequestProofDocument } from "./proof.ts";

const signer = KeyPair.fromSeed(new Uint8Array(32).fill(1));
const addressee = KeyPair.fromSeed(new Uint8Array(32).fill(2)).publicKey;
const parties = { signer: signer.publicKey.id, addressee: addressee.id };
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A batch of requests, and what an audit entry keeps of each. */
function batchOf(count: number) {
  const requests = Array.from({ length: count }, (_, index) =>
    encodeRequest({ operation: "fs.read", input: { path: `/${index}` } }),
  );
  const batchId = new Uint8Array(16).fill(9);
  const batch = signRequests({
    key: signer,
    addressee,
    batchId,
    timeMs: 1_767_225_600_000,
    requests,
  });
  const tree = merkleTree(requests.map(leafHash));
  const proofs = requests.map(
    (_, index): RequestProofDocument => ({
      digest: hex(tree.leaf(index)),
      batch: hex(batchId),
      time_ms: batch.time_ms,
      count,
      index,
      root: hex(tree.root),
      path: tree.path(index).map(hex),
      signature: hex(batch.signature),
    }),
  );
  return { requests, proofs };
}

/** The same check written a second time, from PROTOCOL.md and RFC 9162 2.1.3.2, over another implementation. */
function holdsByTweetnacl(
  proof: RequestProofDocument,
  keys: { signer: Uint8Array; addressee: Uint8Array },
) {
  const unhex = (text: string) => Buffer.from(text, "hex");
  const node = (left: Uint8Array, right: Uint8Array) =>
    createHash("sha256")
      .update(Buffer.concat([Buffer.from([1]), left, right]))
      .digest();
  let [fn, sn] = [proof.index, proof.count - 1];
  let hash = unhex(proof.digest);
  for (const sibling of proof.path.map(unhex)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = node(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else hash = node(hash, sibling);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  if (sn !== 0 || hex(hash) !== proof.root) return false;
  const numbers = Buffer.alloc(10);
  numbers.writeBigUInt64BE(BigInt(proof.time_ms));
  numbers.writeUInt16BE(proof.count, 8);
  const label = Buffer.from("operon/1 requests\0");
  const text = [label, keys.signer, keys.addressee, unhex(proof.batch), numbers, unhex(proof.root)];
  return nacl.sign.detached.verify(Buffer.concat(text), unhex(proof.signature), keys.signer);
}

describe("checkRequestProof()", () => {
  for (const count of [1, 2, 3, 5, 8, 255, 256]) {
    test(`holds for each request of a batch of ${count}, and tweetnacl agrees`, () => {
      const { proofs, requests } = batchOf(count);
      const keys = { signer: signer.publicKey.bytes, addressee: addressee.bytes };
      for (const index of new Set([0, 1, count >> 1, count - 2, count - 1])) {
        const proof = proofs[index];
        if (!proof) continue;
        expect(checkRequestProof(proof, parties)).toBeUndefined();
        expect(checkRequestProof(proof, parties, requests[index])).toBeUndefined();
        expect(holdsByTweetnacl(proof, keys)).toBeTrue();
      }
    });
  }

  test("does not hold for another request, signer or addressee", () => {
    const { proofs, requests } = batchOf(5);
    const proof = proofs[3] as RequestProofDocument;
    expect(checkRequestProof(proof, parties, requests[2])).toBe("request");
    const swapped = { signer: addressee.id, addressee: parties.signer };
    expect(checkRequestProof(proof, swapped)).toBe("signature");
    expect(checkRequestProof(proof, { ...parties, addressee: parties.signer })).toBe("signature");
  });

  test("does not hold with any single bit changed", () => {
    const proof = batchOf(5).proofs[3] as RequestProofDocument;
    const flip = (text: string) =>
      `${(Number.parseInt(text[0] as string, 16) ^ 1).toString(16)}${text.slice(1)}`;
    const changed: Partial<RequestProofDocument>[] = [
      { digest: flip(proof.digest) },
      { batch: flip(proof.batch) },
      { root: flip(proof.root) },
      { signature: flip(proof.signature) },
      { signature: proof.signature.slice(0, -2) + flip(proof.signature.slice(-2)) },
      { time_ms: proof.time_ms + 1 },
      { index: 2 },
      { count: 6 },
      { count: 4 },
      { path: proof.path.toReversed() },
      { path: proof.path.slice(1) },
      { path: [...proof.path, proof.root] },
      { path: [] },
    ];
    for (const change of changed)
      expect([change, checkRequestProof({ ...proof, ...change }, parties)]).not.toEqual([
        change,
        undefined,
      ]);
  });

  test("does not hold for a root that another batch signed", () => {
    const [proof] = batchOf(1).proofs as [RequestProofDocument];
    const [other] = batchOf(2).proofs as [RequestProofDocument];
    expect(checkRequestProof({ ...proof, signature: other.signature }, parties)).toBe("signature");
  });

  test("takes nothing that is malformed, and does not throw", () => {
    const proof = batchOf(2).proofs[0] as RequestProofDocument;
    const malformed: Record<string, unknown>[] = [
      { digest: "" },
      { digest: proof.digest.toUpperCase() },
      { digest: `${proof.digest}00` },
      { digest: 7 },
      { batch: proof.batch.slice(2) },
      { root: "zz".repeat(32) },
      { signature: null },
      { time_ms: -1 },
      { time_ms: 2 ** 53 },
      { time_ms: "0" },
      { count: 0, index: 0 },
      { count: 257 },
      { count: 1.5 },
      { index: -1 },
      { index: 2 },
      { path: undefined },
      { path: "00".repeat(32) },
      { path: [proof.root.slice(1)] },
      { path: Array(9).fill(proof.root) },
    ];
    for (const change of malformed) {
      const changed = { ...proof, ...change } as RequestProofDocument;
      expect(checkRequestProof(changed, parties)).toBe("malformed");
    }
    for (const id of ["", "ed25519:", "ed25519:aaaa", `ed25519:${"a".repeat(52)}`])
      expect(checkRequestProof(proof, { ...parties, signer: id })).toBe("malformed");
  });
});
