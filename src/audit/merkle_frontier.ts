import { OperonError } from "../error.ts";

/**
 * The right edge of a growing Merkle tree (RFC 9162 2.1): enough to add leaves and to tell the root, in log(n) space.
 * Leaf data are entry hashes (32 bytes).
 */
export class MerkleFrontier {
  /** Roots of the perfect subtrees the leaves so far make up, largest first. */
  #peaks: Uint8Array[] = [];
  #size = 0;

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** Adds the next entry's hash. */
  append(entryHash: Uint8Array): void {
    LEAF.set(entryHash, 1);
    let hash = Bun.SHA256.hash(LEAF) as Uint8Array;
    for (let size = this.#size; size % 2 === 1; size = Math.floor(size / 2)) {
      hash = hashPair(this.#peaks.pop()!, hash);
    }
    this.#peaks.push(hash);
    this.#size++;
  }

  /** Root of the tree over all leaves so far; of none, the hash of nothing. */
  root(): Uint8Array {
    if (this.#peaks.length === 0) return Bun.SHA256.hash("") as Uint8Array;
    return this.#peaks.reduceRight((right, left) => hashPair(left, right));
  }

  /** An independent copy, to go back to. */
  clone(): MerkleFrontier {
    const copy = new MerkleFrontier();
    copy.#peaks = [...this.#peaks];
    copy.#size = this.#size;
    return copy;
  }

  /** The peaks as hex, largest first; {@link MerkleFrontier.from} takes them back. */
  peaks(): string[] {
    return this.#peaks.map((peak) => Buffer.from(peak).toString("hex"));
  }

  /** @throws OperonError `audit.checkpoint_invalid` when the peaks cannot belong to a tree of that size */
  static from(size: number, peaks: readonly string[]): MerkleFrontier {
    const ones = size.toString(2).replaceAll("0", "").length;
    if (peaks.length !== ones || !peaks.every((peak) => /^[0-9a-f]{64}$/.test(peak))) {
      throw new OperonError({
        code: "audit.checkpoint_invalid",
        kind: "data_loss",
        message: `A checkpoint of ${size} entries does not hold a tree of that size`,
        hint: "Run operon audit verify",
      });
    }
    const frontier = new MerkleFrontier();
    frontier.#peaks = peaks.map((peak) => new Uint8Array(Buffer.from(peak, "hex")));
    frontier.#size = size;
    return frontier;
  }
}

// Scratch: hashing is synchronous, so one of each is enough.
const LEAF = new Uint8Array(33);
const PAIR = new Uint8Array(65);
PAIR[0] = 1;

function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  PAIR.set(left, 1);
  PAIR.set(right, 33);
  return Bun.SHA256.hash(PAIR) as Uint8Array;
}
