import { closeSync, existsSync, fdatasyncSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { OperonError } from "../error.ts";
import type { StoredCheckpoint } from "./checkpoint.ts";
import {
  CREATE_READ_WRITE,
  dataSync,
  readFully,
  type SyncMode,
  syncFolder,
  writeFully,
} from "./descriptor.ts";
import type { AuditReceipt } from "./entry.ts";
import {
  ENTRY_BYTES_MAX,
  eachLine,
  FIRST_PREV,
  hashLine,
  joinLine,
  prevOf,
  sequenceOf,
  timeOf,
} from "./line.ts";
import { MerkleFrontier } from "./merkle_frontier.ts";
import { listSegments, SEGMENT_BYTES_MAX, segmentAt } from "./segment.ts";

/** What {@link Chain.catchUp} cut off a segment's end. */
export interface TornTail {
  /** Sequence the unfinished entry would have had. */
  readonly sequence: number;
  readonly bytes: number;
  /** SHA-256 of what was cut, hex. */
  readonly hash: string;
  /** How it began. */
  readonly excerpt: string;
}

/**
 * The end of the log as this process knows it: where the next entry goes and what it links to.
 * Every method needs the log's lock; other processes write to the same files between two locks.
 */
export class Chain implements Disposable {
  readonly #directory: string;
  readonly #segmentBytesMax: number;
  #fd: number;
  #segmentFirst: number;
  /** Bytes of the current segment that hold whole, known entries. */
  #endBytes = 0;
  #sequence = 0;
  #prev = FIRST_PREV;
  #frontier = new MerkleFrontier();
  #lastTimeMs = 0;
  #newestTimeMs = 0;
  /** Entries of others were read that may not be durable yet. */
  #unsynced = false;

  /**
   * Opens the newest segment, or creates the first; starts from `from` when there is one. Follow with {@link catchUp}.
   * @throws OperonError `audit.truncated`, `audit.corrupt`
   */
  constructor(
    directory: string,
    options: { readonly from: StoredCheckpoint | undefined; readonly segmentBytesMax?: number },
  ) {
    this.#directory = directory;
    this.#segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    const { from } = options;
    const oldest = listSegments(directory)[0];
    if (from === undefined || from.size === 0) {
      if (oldest && oldest.first !== 0) throw corrupt("The first segment is missing");
      this.#segmentFirst = 0;
      this.#fd = this.#openSegment(0);
      return;
    }
    if (!existsSync(segmentAt(directory, from.segment).path)) throw truncated(from.size);
    this.#segmentFirst = from.segment;
    this.#fd = this.#openSegment(from.segment);
    try {
      this.#startFrom(from);
    } catch (thrown) {
      closeSync(this.#fd);
      throw thrown;
    }
  }

  /** Entries in the log. */
  get size(): number {
    return this.#sequence;
  }

  /** The latest time any entry seen has (Unix ms), 0 when there is none. */
  get lastTimeMs(): number {
    return this.#lastTimeMs;
  }

  /** What the newest entry has for a time (Unix ms): less than {@link lastTimeMs} when the clock was set back. */
  get newestTimeMs(): number {
    return this.#newestTimeMs;
  }

  /**
   * Reads what other processes wrote since; cuts off what one of them (or a power cut) left unfinished and returns it.
   * @throws OperonError `audit.truncated`, `audit.corrupt`
   */
  catchUp(): TornTail | undefined {
    let torn: TornTail | undefined;
    for (;;) {
      const { size, nlink } = fstatSync(this.#fd);
      if (nlink === 0) throw corrupt("The log's newest segment was deleted while in use");
      if (size < this.#endBytes) throw truncated(this.#sequence);
      if (size > this.#endBytes) torn = this.#readNew(size) ?? torn;
      if (this.#sequence === this.#segmentFirst) return torn;
      if (!existsSync(segmentAt(this.#directory, this.#sequence).path)) return torn;
      if (torn) throw corrupt(`Entry ${torn.sequence} is unfinished, yet a later segment exists`);
      this.#moveTo(this.#sequence);
    }
  }

  /**
   * Writes entries and makes them durable; on failure nothing of them stays and the chain is as before.
   * @throws the system's error, or OperonError `audit.corrupt`
   */
  async append(
    bodies: readonly string[],
    options: { readonly timeMs: number; readonly mode: SyncMode },
  ): Promise<AuditReceipt[]> {
    const time = new Date(options.timeMs).toISOString();
    const receipts: AuditReceipt[] = [];
    let text = "";
    let prev = this.#prev;
    for (const body of bodies) {
      const sequence = this.#sequence + receipts.length;
      const line = joinLine(body, { sequence, time, prev });
      prev = hashLine(line);
      receipts.push({ sequence, hash: prev });
      text += line;
      text += "\n";
    }
    const bytes = Buffer.from(text);
    this.#rotateFor(bytes.length);
    const frontier = this.#frontier.clone();
    try {
      writeFully(this.#fd, bytes, this.#endBytes);
      const durable = options.mode === "async" ? dataSync(this.#fd) : fdatasyncSync(this.#fd);
      // The tree grows while the disk works.
      for (const { hash } of receipts) this.#frontier.append(fromHex(hash));
      await durable;
    } catch (thrown) {
      this.#frontier = frontier;
      // Should this fail too, the next catchUp reads what stayed: whole entries nobody was told of, and a torn one.
      ftruncateSync(this.#fd, this.#endBytes);
      throw thrown;
    }
    this.#unsynced = false;
    this.#endBytes += bytes.length;
    this.#sequence += receipts.length;
    this.#prev = prev;
    this.#stamped(options.timeMs);
    return receipts;
  }

  /** What a checkpoint of the log as it stands says, unsigned; everything in it is durable. */
  head(): Omit<StoredCheckpoint, "time" | "key" | "signature"> {
    if (this.#unsynced) fdatasyncSync(this.#fd);
    this.#unsynced = false;
    return {
      size: this.#sequence,
      root: Buffer.from(this.#frontier.root()).toString("hex"),
      last: this.#prev,
      segment: this.#segmentFirst,
      end_bytes: this.#endBytes,
      peaks: this.#frontier.peaks(),
    };
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #startFrom(from: StoredCheckpoint): void {
    if (fstatSync(this.#fd).size < from.end_bytes) throw truncated(from.size);
    const start = Math.max(0, from.end_bytes - ENTRY_BYTES_MAX - 2);
    const before = readFully(this.#fd, from.end_bytes - start, start);
    const line = before.subarray(before.lastIndexOf(10, -2) + 1, -1);
    const frontier = MerkleFrontier.from(from.size, from.peaks);
    const root = Buffer.from(frontier.root()).toString("hex");
    if (root !== from.root) throw corrupt("The newest checkpoint contradicts itself");
    if (before.at(-1) !== 10 || hashLine(line) !== from.last) {
      throw corrupt(`Entry ${from.size - 1} is not the one the newest checkpoint covers`);
    }
    this.#endBytes = from.end_bytes;
    this.#sequence = from.size;
    this.#prev = from.last;
    this.#frontier = frontier;
    this.#stamped(Date.parse(from.time));
    this.#stamped(timeOf(line) ?? 0);
  }

  #readNew(sizeBytes: number): TornTail | undefined {
    this.#unsynced = true;
    for (;;) {
      const bytes = readFully(
        this.#fd,
        Math.min(READ_BYTES, sizeBytes - this.#endBytes),
        this.#endBytes,
      );
      if (bytes.length === 0) return;
      const rest = eachLine(bytes, (line) => this.#accept(line));
      this.#endBytes += rest;
      if (rest > 0) continue;
      // Not one whole line in what a longest line fits into: the rest of the file is unfinished.
      return this.#cutTail(sizeBytes);
    }
  }

  #accept(line: Uint8Array): void {
    if (sequenceOf(line) !== this.#sequence || prevOf(line) !== this.#prev) {
      throw corrupt(`Entry ${this.#sequence} does not follow from the one before it`);
    }
    this.#prev = hashLine(line);
    this.#frontier.append(fromHex(this.#prev));
    this.#sequence++;
    this.#stamped(timeOf(line) ?? 0);
  }

  #stamped(timeMs: number): void {
    this.#lastTimeMs = Math.max(this.#lastTimeMs, timeMs);
    this.#newestTimeMs = timeMs;
  }

  #cutTail(sizeBytes: number): TornTail {
    const bytes = sizeBytes - this.#endBytes;
    const cut = readFully(this.#fd, Math.min(bytes, TORN_BYTES_MAX), this.#endBytes);
    if (cut.length < bytes || cut.includes(10)) {
      throw corrupt(`The ${bytes} bytes where entry ${this.#sequence} would be are no entries`);
    }
    ftruncateSync(this.#fd, this.#endBytes);
    return {
      sequence: this.#sequence,
      bytes,
      hash: hashLine(cut),
      excerpt: cut.subarray(0, 512).toString("latin1"),
    };
  }

  #rotateFor(bytes: number): void {
    if (this.#endBytes === 0 || this.#endBytes + bytes <= this.#segmentBytesMax) return;
    if (this.#unsynced) fdatasyncSync(this.#fd);
    this.#moveTo(this.#sequence);
  }

  #moveTo(first: number): void {
    const fd = this.#openSegment(first);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#segmentFirst = first;
    this.#endBytes = 0;
  }

  #openSegment(first: number): number {
    const { path } = segmentAt(this.#directory, first);
    const isNew = !existsSync(path);
    const fd = openSync(path, CREATE_READ_WRITE, 0o600);
    if (isNew) syncFolder(this.#directory);
    return fd;
  }
}

const READ_BYTES = 1024 * 1024;
/** More than this is no torn write (bytes): a batch is smaller. */
const TORN_BYTES_MAX = 8 * READ_BYTES;

function fromHex(hash: string): Uint8Array {
  return Uint8Array.fromHex(hash);
}

const NEXT_STEP =
  "Run operon audit verify; to go on with a new log, move the audit folder away and keep it";

function truncated(size: number): OperonError {
  return new OperonError({
    code: "audit.truncated",
    kind: "data_loss",
    message: `The audit log is shorter than the ${size} entries it had: entries were removed`,
    hint: NEXT_STEP,
    data: { size },
  });
}

function corrupt(message: string): OperonError {
  return new OperonError({
    code: "audit.corrupt",
    kind: "data_loss",
    message,
    hint: NEXT_STEP,
  });
}
