import type { AuditProblem, AuditReceipt } from "./entry.ts";
import { FIRST_PREV, hashLine, prevOf, sequenceOf, timeOf } from "./line.ts";
import { MerkleFrontier } from "./merkle_frontier.ts";

/** Where a line stands. */
export interface LinePlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** Problems reported at most; the first ones say where it began. */
const PROBLEMS_MAX = 200;

interface Gap extends LinePlace {
  readonly from: number;
  /** Last sequence missing. */
  readonly to: number;
  /** It lies between two files. */
  readonly betweenFiles: boolean;
  /** Entries of it that turned up later. */
  found: number;
}

/** Walks the lines of a log in file order and finds where they do not follow from each other. */
export class ChainCheck {
  readonly #problems: AuditProblem[] = [];
  readonly #gaps: Gap[] = [];
  readonly #frontier = new MerkleFrontier();
  #expected = 0;
  #prev: AuditReceipt | undefined;
  #prevPlace: LinePlace | undefined;
  #prevLine: Uint8Array | undefined;
  #lines = 0;
  /** Whether every line so far stood where it belongs, so that roots can be compared. */
  #contiguous = true;

  /** Sequence the next entry should have: the size of the log so far. */
  get size(): number {
    return this.#expected;
  }

  /** Lines seen, wherever they stood. */
  get lines(): number {
    return this.#lines;
  }

  /** The entry of the highest place so far. */
  get last(): AuditReceipt | undefined {
    return this.#prev;
  }

  /** Time of that entry (Unix ms). */
  get lastTimeMs(): number | undefined {
    return this.#prevLine && timeOf(this.#prevLine);
  }

  /** Merkle root over all entries so far, hex; `undefined` when some are missing. */
  root(): string | undefined {
    if (!this.#contiguous) return;
    return Buffer.from(this.#frontier.root()).toString("hex");
  }

  /** Merkle root as it would be if the next entry had this hash (hex); `undefined` when some are missing. */
  rootWith(hash: string): string | undefined {
    if (!this.#contiguous) return;
    const frontier = this.#frontier.clone();
    frontier.append(Buffer.from(hash, "hex"));
    return Buffer.from(frontier.root()).toString("hex");
  }

  /** Whether something was already found wrong at or before this entry. */
  isDoubtedBefore(sequence: number): boolean {
    if (this.#gaps.some((gap) => gap.from < sequence)) return true;
    return this.#problems.some((problem) => problem.sequence < sequence);
  }

  /** The problems found, in the order of the entries. */
  problems(): AuditProblem[] {
    const all = [...this.#problems, ...this.#gaps.map(gapProblem)];
    return all.sort((a, b) => a.sequence - b.sequence).slice(0, PROBLEMS_MAX);
  }

  /** Notes something wrong. */
  report(problem: AuditProblem): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem);
  }

  /** Takes the next line. */
  accept(line: Uint8Array, place: LinePlace): void {
    this.#lines++;
    const sequence = sequenceOf(line);
    const prev = prevOf(line);
    if (sequence === -1 || prev === undefined) {
      this.report({
        kind: "unreadable",
        sequence: this.#expected,
        ...place,
        message: `Where entry ${this.#expected} should be is a line that is no entry: it was overwritten`,
      });
      this.#take(line, this.#expected, place);
      return;
    }
    if (sequence < this.#expected) return this.#stray(sequence, place);
    if (sequence > this.#expected) this.#gap(sequence, place);
    else if (prev !== (this.#prev?.hash ?? FIRST_PREV)) this.#brokenLink(sequence, place);
    this.#take(line, sequence, place);
  }

  #take(line: Uint8Array, sequence: number, place: LinePlace): void {
    const hash = hashLine(line);
    this.#prev = { sequence, hash };
    this.#prevPlace = place;
    this.#prevLine = line;
    this.#expected = sequence + 1;
    if (this.#contiguous) this.#frontier.append(Buffer.from(hash, "hex"));
  }

  #brokenLink(sequence: number, place: LinePlace): void {
    const before = Math.max(0, sequence - 1);
    if (this.#problems.at(-1)?.sequence === before) return;
    this.report({
      kind: "edited",
      sequence: before,
      ...(this.#prevPlace ?? place),
      message:
        sequence === 0
          ? "Entry 0 claims to follow another entry: it was changed"
          : `Entry ${before} does not have the hash that entry ${sequence} recorded: it was changed, or entry ${sequence} was replaced`,
    });
  }

  #gap(sequence: number, place: LinePlace): void {
    const { line } = place;
    const gap = { from: this.#expected, to: sequence - 1, betweenFiles: line === 1, found: 0 };
    if (this.#gaps.length < PROBLEMS_MAX) this.#gaps.push({ ...gap, ...place });
    this.#contiguous = false;
  }

  #stray(sequence: number, place: LinePlace): void {
    const gap = this.#gaps.find(({ from, to }) => from <= sequence && sequence <= to);
    if (gap) {
      gap.found++;
      return;
    }
    this.report({
      kind: "reordered",
      sequence,
      ...place,
      message: `Entry ${sequence} stands a second time, after entry ${this.#expected - 1}`,
    });
  }
}

function gapProblem({ from, to, file, line, betweenFiles, found }: Gap): AuditProblem {
  const entries = from === to ? `Entry ${from} is` : `Entries ${from} to ${to} are`;
  const place = { sequence: from, file, line };
  if (found > 0) {
    return { kind: "reordered", ...place, message: `${entries} not in their place` };
  }
  if (betweenFiles) {
    return {
      kind: "segment_missing",
      ...place,
      message: `${entries} missing before ${file}: a segment, or the end of one, was removed`,
    };
  }
  return { kind: "removed", ...place, message: `${entries} missing: removed` };
}
