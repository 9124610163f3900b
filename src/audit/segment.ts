import { readdirSync } from "node:fs";

/** A file of the log; named by the sequence of its first entry. */
export interface Segment {
  readonly first: number;
  readonly path: string;
  /** File name without its folder. */
  readonly file: string;
}

/** A segment is followed by a new one before it grows past this (bytes). */
export const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;

/** Name of the lock file inside the audit folder; it holds nothing. */
export const LOCK_FILE = "lock";

const NAME = /^(\d{20})\.jsonl$/;

/** The segment whose first entry has that sequence. */
export function segmentAt(directory: string, first: number): Segment {
  const file = `${String(first).padStart(20, "0")}.jsonl`;
  return { first, path: `${directory}/${file}`, file };
}

/** All segments, oldest first; a missing folder has none. */
export function listSegments(directory: string): Segment[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  }
  return names
    .map((name) => NAME.exec(name))
    .filter((match) => match !== null)
    .map((match) => segmentAt(directory, Number(match[1])))
    .sort((a, b) => a.first - b.first);
}
