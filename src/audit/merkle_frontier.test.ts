import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { leafHash, merkleRoot } from "../wire/merkle.ts";
import { MerkleFrontier } from "./merkle_frontier.ts";

/** RFC 9162 2.1.1, word for word. */
function rootOf(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

describe("MerkleFrontier", () => {
  test("has the root RFC 9162 defines, at every size", () => {
    const frontier = new MerkleFrontier();
    const leaves: Uint8Array[] = [];
    for (let size = 0; size <= 130; size++) {
      expect(Buffer.from(frontier.root()).toString("hex")).toBe(rootOf(leaves).toString("hex"));
      const leaf = sha256(Buffer.from(`entry ${size}`));
      leaves.push(leaf);
      frontier.append(leaf);
    }
  });

  test("goes on from its own peaks", () => {
    const whole = new MerkleFrontier();
    for (let i = 0; i < 77; i++) whole.append(sha256(Buffer.of(i)));
    const resumed = MerkleFrontier.from(77, whole.peaks());
    whole.append(sha256());
    resumed.append(sha256());
    expect(resumed.root()).toEqual(whole.root());
    expect(resumed.size).toBe(78);
  });

  test("has the root that proofs of the wire lead to", () => {
    const frontier = new MerkleFrontier();
    const leaves = Array.from({ length: 21 }, (_, i) => sha256(Buffer.of(i)));
    for (const leaf of leaves) frontier.append(leaf);
    expect(Buffer.from(frontier.root())).toEqual(Buffer.from(merkleRoot(leaves.map(leafHash))));
  });

  test("a copy does not change with its original", () => {
    const original = new MerkleFrontier();
    original.append(sha256());
    const copy = original.clone();
    original.append(sha256());
    expect(copy.size).toBe(1);
    expect(copy.root()).not.toEqual(original.root());
  });

  test.each([
    [3, ["00".repeat(32)]],
    [1, ["00".repeat(31)]],
    [1, ["zz".repeat(32)]],
    [0, ["00".repeat(32)]],
  ])("refuses peaks that are none of a tree of %d leaves", (size, peaks) => {
    expect(() => MerkleFrontier.from(size, peaks)).toThrow("does not hold a tree");
  });
});
