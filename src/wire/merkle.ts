// Merkle tree hashes as in RFC 9162 2.1: one signature covers many requests, each provable alone.
// It must never hash a leaf and a node alike: the first byte keeps them apart.
// Next: batch.ts signs roots; audit keeps paths.

import { hash } from "node:crypto";

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** SHA-256(0x00 | data). */
export function leafHash(data: Uint8Array): Uint8Array {
  return sha256(LEAF, data);
}

/** Root over leaf hashes; at least one. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const split = splitOf(leaves.length);
  return nodeHash(merkleRoot(leaves.slice(0, split)), merkleRoot(leaves.slice(split)));
}

/** Sibling hashes from leaf `index` up to the root (RFC 9162 2.1.3.1). */
export function merklePath(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length === 1) return [];
  const split = splitOf(leaves.length);
  const left = leaves.slice(0, split);
  const right = leaves.slice(split);
  if (index < split) return [...merklePath(left, index), merkleRoot(right)];
  return [...merklePath(right, index - split), merkleRoot(left)];
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

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, Buffer.concat([left, right]));
}

function sha256(prefix: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", Buffer.concat([prefix, data]), "buffer"));
}
