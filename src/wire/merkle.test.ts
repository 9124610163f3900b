import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { leafHash, merkleRoot, merkleTree, rootFromPath } from "./merkle.ts";

const leavesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`request ${index}`)));

/** RFC 9162 2.1.1 as it is written. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const left = rootByDefinition(leaves.slice(0, split));
  const right = rootByDefinition(leaves.slice(split));
  return createHash("sha256").update(Uint8Array.of(1)).update(left).update(right).digest();
}

test("merkleTree() has the root of RFC 9162 for every size", () => {
  for (let count = 1; count <= 70; count++) {
    const leaves = leavesOf(count);
    const expected = Buffer.from(rootByDefinition(leaves)).toString("hex");
    expect(merkleTree(leaves).root.toHex()).toBe(expected);
    expect(merkleRoot(leaves).toHex()).toBe(expected);
  }
});

test("merkleTree() proves every leaf of every size, and no other", () => {
  for (let count = 1; count <= 33; count++) {
    const leaves = leavesOf(count);
    const tree = merkleTree(leaves);
    for (let index = 0; index < count; index++) {
      const place = { leaf: tree.leaf(index), index, count, path: tree.path(index) };
      expect(rootFromPath(place)?.toHex()).toBe(tree.root.toHex());
      if (count === 1) continue;
      const other = tree.leaf((index + 1) % count);
      expect(rootFromPath({ ...place, leaf: other })?.toHex()).not.toBe(tree.root.toHex());
    }
  }
});

test("rootFromPath() refuses a path that is too short or too long", () => {
  const tree = merkleTree(leavesOf(5));
  const place = { leaf: tree.leaf(2), index: 2, count: 5, path: tree.path(2) };
  expect(rootFromPath({ ...place, path: place.path.slice(0, -1) })).toBeUndefined();
  expect(rootFromPath({ ...place, path: [...place.path, tree.root] })).toBeUndefined();
  expect(rootFromPath({ ...place, index: 5 })).toBeUndefined();
});

test("leafHash() hashes small and large data alike", () => {
  for (const bytes of [0, 1, 4094, 4095, 4096, 4097, 300_000]) {
    const data = new Uint8Array(bytes).fill(bytes % 251);
    const expected = createHash("sha256").update(Uint8Array.of(0)).update(data).digest("hex");
    expect(leafHash(data).toHex()).toBe(expected);
  }
});
