// The lines of an open file as text, one at a time.
// It must never hold more than a bounded part of a line, whatever the file holds.
// Next: grep.ts searches them.

import { readSync } from "node:fs";
import { attempt, type Failing } from "./failure.ts";

/** A line without its end. */
export interface ReadLine {
  readonly text: string;
  /** The line goes on; what follows is not given. */
  readonly isCut: boolean;
}

/** How lines are read. */
export interface LineReading {
  readonly path: string;
  /** Take files with NUL bytes as text too. */
  readonly binary: boolean;
  readonly call: Failing;
}

const READ_BYTES = 128 * 1024;
/** Longest part of a line that is given (bytes). */
const LINE_BYTES_MAX = 16 * 1024;
/** A NUL in so many first bytes makes a file one that is no text. */
const SNIFF_BYTES = 8 * 1024;
const LINE_FEED = 10;

/** Lines in order; returns false, after no line at all, when the file is not text. */
export function* linesOf(
  fd: number,
  { path, binary, call }: LineReading,
): Generator<ReadLine, boolean> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let pending: Buffer = EMPTY;
  let isCut = false;
  for (let position = 0; ; ) {
    const got = attempt(call, path, () => readSync(fd, buffer, 0, READ_BYTES, position));
    const bytes = buffer.subarray(0, got);
    if (position === 0 && !binary && bytes.subarray(0, SNIFF_BYTES).includes(0)) return false;
    position += got;
    if (got === 0) {
      if (pending.length > 0) yield lineOf(pending, isCut);
      return true;
    }
    for (let at = 0; at < got; ) {
      const end = bytes.indexOf(LINE_FEED, at);
      const part = bytes.subarray(at, end < 0 ? got : end);
      const room = LINE_BYTES_MAX - pending.length;
      isCut ||= part.length > room;
      const taken = part.subarray(0, room);
      at += part.length + 1;
      if (end >= 0) {
        yield lineOf(pending.length === 0 ? taken : Buffer.concat([pending, taken]), isCut);
        pending = EMPTY;
        isCut = false;
      } else pending = Buffer.concat([pending, taken]);
    }
  }
}

const EMPTY = Buffer.alloc(0);

function lineOf(bytes: Buffer, isCut: boolean): ReadLine {
  const hasReturn = !isCut && bytes.at(-1) === 13;
  return { text: (hasReturn ? bytes.subarray(0, -1) : bytes).toString(), isCut };
}
