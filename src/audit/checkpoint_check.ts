import type { ChainCheck } from "./chain_check.ts";
import {
  CHECKPOINTS_FILE,
  type Checkpoint,
  isSignedByItsKey,
  parseCheckpoint,
} from "./checkpoint.ts";
import type { AuditProblem } from "./entry.ts";

/** An entry older than this at the end of the log (ms) should be covered: checkpoints come every second. */
const UNCOVERED_MS_MAX = 60_000;

interface Head extends Pick<Checkpoint, "size" | "root" | "last"> {
  /** Set when a peer kept it. */
  readonly peer?: string;
  /** Set when it is the log's own. */
  readonly segment?: number;
}

/** Collects signed heads (the log's own and its peers') and compares a chain with them while it is walked. */
export class CheckpointCheck {
  readonly #heads: Head[] = [];
  readonly #problems: AuditProblem[] = [];
  #key: string | undefined;
  #count = 0;
  #largest: Head | undefined;

  constructor(options: {
    readonly key?: Uint8Array;
    readonly peerCheckpoints?: readonly (Checkpoint & { readonly peer: string })[];
  }) {
    this.#key = options.key && Buffer.from(options.key).toString("hex");
    for (const held of options.peerCheckpoints ?? []) this.#addPeer(held);
  }

  /** Checkpoints of the log itself that are properly signed. */
  get count(): number {
    return this.#count;
  }

  /** Takes a line of the log's own checkpoints. */
  read(line: Uint8Array, number: number): void {
    const checkpoint = parseCheckpoint(line);
    if (!checkpoint || !this.#isSigned(checkpoint)) {
      const what = checkpoint ? "is not signed by the node's key" : "is not a checkpoint";
      this.#invalid(number, `${what}: it was changed`);
      return;
    }
    if (checkpoint.size < (this.#largest?.size ?? 0)) {
      this.#invalid(number, "covers less than the one before it: an older log was put back");
      return;
    }
    this.#count++;
    this.#largest = checkpoint;
    this.#heads.push(checkpoint);
  }

  /** Call `next` after each line the chain takes and `end` after the last one. */
  compareWith(chain: ChainCheck): { next(): void; end(newestSegment: number | undefined): void } {
    for (const problem of this.#problems) chain.report(problem);
    const heads = this.#heads.sort((a, b) => a.size - b.size);
    const covered = this.#largest?.size ?? 0;
    let at = heads.findIndex((head) => head.size > 0);
    if (at === -1) at = heads.length;
    let agreed = 0;
    // Root of the next head if everything up to the entry before its last is as it was.
    let rootBefore: string | undefined;
    const expectNext = () => {
      const next = heads[at];
      rootBefore = next?.size === chain.size + 1 ? chain.rootWith(next.last) : undefined;
    };
    expectNext();
    let uncoveredMs: number | undefined;
    return {
      next() {
        for (let head = heads[at]; head && head.size <= chain.size; head = heads[++at]) {
          if (head.size === chain.size && agrees(chain, head)) agreed = head.size;
          else if (!chain.isDoubtedBefore(head.size)) {
            const from = rootBefore === head.root ? head.size - 1 : agreed;
            chain.report(rewritten(head, from));
          }
        }
        expectNext();
        if (chain.size === covered + 1) uncoveredMs = chain.lastTimeMs;
      },
      end(newestSegment) {
        const own = heads.findLast((head) => head.peer === undefined);
        const held = heads.findLast((head) => head.peer !== undefined);
        if (own && own.size > chain.size) chain.report(truncated(chain, own, newestSegment));
        if (held && held.size > chain.size) chain.report(olderCopy(chain, held));
        const lastMs = chain.lastTimeMs;
        if (uncoveredMs === undefined || lastMs === undefined) return;
        if (lastMs - uncoveredMs > UNCOVERED_MS_MAX) chain.report(uncovered(covered));
      },
    };
  }

  #addPeer(held: Checkpoint & { readonly peer: string }): void {
    if (this.#isSigned(held)) {
      this.#heads.push(held);
      return;
    }
    this.#problems.push({
      kind: "checkpoint_invalid",
      sequence: held.size,
      message: `The checkpoint that ${held.peer} holds is not signed by the node's key`,
    });
  }

  #isSigned(checkpoint: Checkpoint): boolean {
    this.#key ??= checkpoint.key;
    return checkpoint.key === this.#key && isSignedByItsKey(checkpoint);
  }

  #invalid(number: number, what: string): void {
    this.#problems.push({
      kind: "checkpoint_invalid",
      sequence: this.#largest?.size ?? 0,
      file: CHECKPOINTS_FILE,
      line: number,
      message: `Checkpoint ${number} ${what}`,
    });
  }
}

function agrees(chain: ChainCheck, head: Head): boolean {
  return chain.last?.hash === head.last && chain.root() === head.root;
}

function rewritten(head: Head, from: number): AuditProblem {
  const whose =
    head.peer === undefined ? "the signed checkpoint" : `the checkpoint ${head.peer} holds`;
  const covered = `what ${whose} of ${head.size} entries covers`;
  const message =
    from === head.size - 1
      ? `Entry ${from} is not ${covered}: it was changed`
      : `One of the entries ${from} to ${head.size - 1} is not ${covered}: changed, and later links rewritten`;
  return { kind: "edited", sequence: from, message };
}

function truncated(chain: ChainCheck, head: Head, newestSegment: number | undefined): AuditProblem {
  const segmentGone = head.segment !== undefined && (newestSegment ?? -1) < head.segment;
  return {
    kind: segmentGone ? "segment_missing" : "truncated",
    sequence: chain.size,
    message: `The log ends before entry ${chain.size}, but a signed checkpoint covers ${head.size} entries: the end was removed`,
  };
}

function olderCopy(chain: ChainCheck, head: Head): AuditProblem {
  return {
    kind: "truncated",
    sequence: chain.size,
    message: `The log ends before entry ${chain.size}, but ${head.peer} holds a checkpoint of ${head.size} entries: an older copy was put back`,
  };
}

function uncovered(size: number): AuditProblem {
  return {
    kind: "checkpoint_invalid",
    sequence: size,
    message: `No checkpoint covers entry ${size} and those after it, although they are old enough: checkpoints were removed`,
  };
}
