// The output of a job on disk: numbered records in files that together stay below a bound; the oldest go first.
// It must never lose count: each record says how much came before it, so that a reader knows what is gone.
// Next: supervisor.ts writes it, handler.ts reads it.

import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Names of a command's outputs, in the order their numbers have in the log. */
const CHANNELS = ["stdout", "stderr"] as const;
/** One of a command's outputs. */
export type Channel = (typeof CHANNELS)[number];

/** channel u8, size u32, sequence u64, time u64 (Unix ms), stdout bytes before u64, stderr bytes before u64; big-endian. */
const HEADER_BYTES = 37;
/** As base64 it must fit one chunk of a stream. */
const RECORD_BYTES_MAX = 32 * 1024;
/** Files a log is divided into: what is dropped at once is one of them. */
const PARTS = 8;
/** What is read at once, more than any record has; others have their turn before more is. */
const READ_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;
const PART_NAME = /^out\.(\d{16})$/;

/** One piece of output. */
export interface LogRecord {
  readonly sequence: number;
  readonly time_ms: number;
  readonly channel: Channel;
  readonly bytes: Uint8Array;
  /** Bytes of each output before this record. */
  readonly before: Readonly<Record<Channel, number>>;
}

/** Appends to a job's log. */
export class LogWriter implements Disposable {
  readonly #folder: string;
  readonly #partBytes: number;
  readonly #parts: string[] = [];
  readonly #before: Record<Channel, number> = { stdout: 0, stderr: 0 };
  #sequence = 0;
  #fd: number | undefined;
  #size = 0;

  /** @param bytesMax bound of all files together */
  constructor(folder: string, bytesMax: number) {
    this.#folder = folder;
    this.#partBytes = Math.max(Math.floor(bytesMax / PARTS), RECORD_BYTES_MAX + HEADER_BYTES);
  }

  append(channel: Channel, bytes: Uint8Array, timeMs: number): void {
    for (let at = 0; at < bytes.byteLength; at += RECORD_BYTES_MAX)
      this.#record(channel, bytes.subarray(at, at + RECORD_BYTES_MAX), timeMs);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #record(channel: Channel, bytes: Uint8Array, timeMs: number): void {
    const fd = this.#part(HEADER_BYTES + bytes.byteLength);
    const record = Buffer.alloc(HEADER_BYTES + bytes.byteLength);
    record.writeUInt8(CHANNELS.indexOf(channel), 0);
    record.writeUInt32BE(bytes.byteLength, 1);
    record.writeBigUInt64BE(BigInt(this.#sequence), 5);
    record.writeBigUInt64BE(BigInt(Math.round(timeMs)), 13);
    record.writeBigUInt64BE(BigInt(this.#before.stdout), 21);
    record.writeBigUInt64BE(BigInt(this.#before.stderr), 29);
    record.set(bytes, HEADER_BYTES);
    // One write a record: a reader sees all of it, or a size that says there is more to come.
    writeSync(fd, record);
    this.#size += record.byteLength;
    this.#sequence++;
    this.#before[channel] += bytes.byteLength;
  }

  /** The file the next record goes to; makes room by dropping the oldest. */
  #part(bytes: number): number {
    if (this.#fd !== undefined && this.#size + bytes <= this.#partBytes) return this.#fd;
    this[Symbol.dispose]();
    const path = pathOf(this.#folder, this.#sequence);
    this.#fd = openSync(path, "ax", 0o600);
    this.#size = 0;
    this.#parts.push(path);
    while (this.#parts.length > PARTS) rmSync(this.#parts.shift() as string, { force: true });
    return this.#fd;
  }
}

/** Reads a job's log from a record on, also while it grows. */
export class LogReader implements Disposable {
  readonly #folder: string;
  #part: LogPart | undefined;
  /** Number of the next record. */
  next: number;

  constructor(folder: string, from: number) {
    this.#folder = folder;
    this.next = from;
  }

  /** The records that are there now, in order; what was dropped is skipped over. */
  async *records(): AsyncGenerator<LogRecord, void, undefined> {
    for (let part = this.#open(); part; part = this.#open()) {
      // Asked first: the writer begins a file only when it is done with the one before.
      const following = partsOf(this.#folder).find((first) => first > part.first);
      for await (const record of part.records()) {
        if (record.sequence < this.next) continue;
        this.next = record.sequence + 1;
        yield record;
      }
      if (following === undefined) return;
      this[Symbol.dispose]();
      this.next = Math.max(this.next, following);
    }
  }

  /** The records that are there now, file by file, the last one first; what comes later is read on from there. */
  async *recordsFromEnd(): AsyncGenerator<LogRecord[], void, undefined> {
    const from = this.next;
    for (const first of partsOf(this.#folder).toReversed()) {
      using part = LogPart.open(this.#folder, first);
      if (!part) return;
      const records = await Array.fromAsync(part.records());
      this.next = Math.max(this.next, (records.at(-1)?.sequence ?? -1) + 1);
      yield records.filter(({ sequence }) => sequence >= from);
      if (first <= from) return;
    }
  }

  [Symbol.dispose](): void {
    this.#part?.[Symbol.dispose]();
    this.#part = undefined;
  }

  #open(): LogPart | undefined {
    if (this.#part) return this.#part;
    const parts = partsOf(this.#folder);
    const first = parts.findLast((each) => each <= this.next) ?? parts[0];
    this.#part = first === undefined ? undefined : LogPart.open(this.#folder, first);
    return this.#part;
  }
}

/** One file of a log. */
class LogPart implements Disposable {
  readonly first: number;
  readonly #fd: number;
  #offset = 0;

  /** `undefined` when it was dropped meanwhile: the next look finds a later one. */
  static open(folder: string, first: number): LogPart | undefined {
    try {
      return new LogPart(first, openSync(pathOf(folder, first), "r"));
    } catch {
      return undefined;
    }
  }

  private constructor(first: number, fd: number) {
    this.first = first;
    this.#fd = fd;
  }

  /** Those that are whole now and were not given before. */
  async *records(): AsyncGenerator<LogRecord, void, undefined> {
    for (;;) {
      const block = Buffer.allocUnsafe(READ_BYTES);
      const size = readSync(this.#fd, block, 0, READ_BYTES, this.#offset);
      let at = 0;
      for (;;) {
        const record = recordAt(block.subarray(at, size));
        if (!record) break;
        at += HEADER_BYTES + record.bytes.byteLength;
        yield record;
      }
      this.#offset += at;
      if (at === 0 || size < READ_BYTES) return;
      // A log of a million tiny records must not hold up the node.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** The record at the beginning of some bytes, if they have all of it. */
function recordAt(block: Buffer): LogRecord | undefined {
  if (block.byteLength < HEADER_BYTES) return undefined;
  const size = block.readUInt32BE(1);
  const channel = CHANNELS[block.readUInt8(0)];
  if (size > RECORD_BYTES_MAX || channel === undefined) return undefined;
  if (block.byteLength < HEADER_BYTES + size) return undefined;
  return {
    sequence: Number(block.readBigUInt64BE(5)),
    time_ms: Number(block.readBigUInt64BE(13)),
    channel,
    bytes: new Uint8Array(block.subarray(HEADER_BYTES, HEADER_BYTES + size)),
    before: {
      stdout: Number(block.readBigUInt64BE(21)),
      stderr: Number(block.readBigUInt64BE(29)),
    },
  };
}

/** The records there are now that hold the last so many lines, the first of them cut to its part. */
export async function lastLines(
  reader: LogReader,
  { lines, isWanted }: { lines: number; isWanted: (record: LogRecord) => boolean },
): Promise<LogRecord[]> {
  const kept: LogRecord[] = [];
  let missing = lines;
  for await (const records of reader.recordsFromEnd()) {
    for (const record of records.filter(isWanted).toReversed()) {
      if (missing <= 0) break;
      const { bytes } = record;
      // The end of the very last line begins no further one.
      let at = bytes.byteLength - (kept.length === 0 && bytes.at(-1) === LINE_FEED ? 1 : 0);
      while (at > 0 && !(bytes[at - 1] === LINE_FEED && --missing === 0)) at--;
      if (at < bytes.byteLength) kept.push({ ...record, bytes: bytes.subarray(at) });
    }
    if (missing <= 0) break;
  }
  return kept.toReversed();
}

/** Bytes the log takes on disk. */
export function logBytes(folder: string): number {
  return partsOf(folder).reduce((sum, first) => {
    const stat = statSync(pathOf(folder, first), { throwIfNoEntry: false });
    return sum + (stat?.size ?? 0);
  }, 0);
}

function pathOf(folder: string, first: number): string {
  return join(folder, `out.${String(first).padStart(16, "0")}`);
}

/** The first record of each file, oldest first. */
function partsOf(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => PART_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}
