// Merkle tree hashes as in RFC 9162 2.1: one signature covers many requests, each provable alone.
// It must never hash a leaf and a node alike: the first byte keeps them apart.
// Next: batch.ts signs roots; audit keeps paths.

import { sha256, sha256OfBoth } from "./sha256.ts";

/** A tree over leaf hashes, hashed once, that can prove each of them. */
export interface MerkleTree {
  readonly root: Uint8Array;
  readonly count: number;
  leaf(index: number): Uint8Array;
  /** Sibling hashes from leaf `index` up to the root (RFC 9162 2.1.3.1). */
  path(index: number): Uint8Array[];
}

/** The tree over leaf hashes; at least one. */
export function merkleTree(leaves: readonly Uint8Array[]): MerkleTree {
  const levels = levelsOf(leaves);
  return {
    root: (levels.at(-1) as readonly Uint8Array[])[0] as Uint8Array,
    count: leaves.length,
    leaf: (index) => leaves[index] as Uint8Array,
    path(index) {
      const path: Uint8Array[] = [];
      let at = index;
      for (const level of levels) {
        const sibling = level[at ^ 1];
        if (sibling) path.push(sibling);
        at >>>= 1;
      }
      return path;
    },
  };
}

/** Root over leaf hashes; at least one. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return (levelsOf(leaves).at(-1) as readonly Uint8Array[])[0] as Uint8Array;
}

/** SHA-256(0x00 | data). */
export function leafHash(data: Uint8Array): Uint8Array {
  if (data.byteLength >= LEAF.byteLength) {
    return sha256OfBoth(LEAF.subarray(0, 1), data);
  }
  LEAF.set(data, 1);
  return sha256(LEAF.subarray(0, data.byteLength + 1));
}

/** A leaf's place in a tree. */
export interface LeafPath {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly count: number;
  readonly path: readonly Uint8Array[];
}

/** The root a path leads to; `undefined` when its length does not fit (RFC 9162 2.1.3.2). */
export function rootFromPath({ leaf, index, count, path }: LeafPath): Uint8Array | undefined {
  if (index < 0 || index >= count) return undefined;
  if (count === 1) return path.length === 0 ? leaf : undefined;
  const sibling = path.at(-1);
  if (!sibling) return undefined;
  const rest = path.slice(0, -1);
  const split = splitOf(count);
  if (index < split) {
    const left = rootFromPath({ leaf, index, count: split, path: rest });
    return left && nodeHash(left, sibling);
  }
  const right = rootFromPath({ leaf, index: index - split, count: count - split, path: rest });
  return right && nodeHash(sibling, right);
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  return 2 ** (31 - Math.clz32(count - 1));
}

/** Each level pairs the one below it; a node left over moves up as it is, which is RFC 9162's tree. */
function levelsOf(leaves: readonly Uint8Array[]): (readonly Uint8Array[])[] {
  const levels = [leaves];
  for (let below = leaves; below.length > 1; ) {
    const level: Uint8Array[] = [];
    for (let index = 0; index < below.length; index += 2) {
      const left = below[index] as Uint8Array;
      const right = below[index + 1];
      level.push(right ? nodeHash(left, right) : left);
    }
    levels.push(level);
    below = level;
  }
  return levels;
}

// Scratch: hashing is synchronous, so one of each is enough. Their first bytes keep leaves and nodes apart.
const LEAF = new Uint8Array(4096);
const PAIR = new Uint8Array(65);
PAIR[0] = 1;

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  PAIR.set(left, 1);
  PAIR.set(right, 33);
  return sha256(PAIR);
}
