// Reads entries back: the last ones that match, a range, or new ones as they come. Needs no node and no lock.
// It must never hold more than a piece of a segment in memory, whatever the log's size or the limit.
// Next: filter.ts for what matches, verify.ts for whether what is read is what was written.

import { closeSync, constants, fstatSync, openSync, watch } from "node:fs";
import { systemClock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { readFully } from "./descriptor.ts";
import type { AuditEntry, AuditFilter } from "./entry.ts";
import { type EntryMatcher, entryMatcher } from "./filter.ts";
import { ENTRY_BYTES_MAX, eachLine } from "./line.ts";
import { listSegments, type Segment, segmentAt } from "./segment.ts";

/** A place between two entries. */
interface Place {
  readonly segment: Segment;
  readonly bytes: number;
}

/** What is looked for, and for how long. */
interface Search {
  readonly filter: AuditFilter;
  readonly matcher: EntryMatcher;
  readonly signal: AbortSignal | undefined;
}

/**
 * Entries that match, oldest first; with `limit` the last so many of them.
 * @throws OperonError `audit.unreadable` at a line that is no entry; the signal's reason when it aborts
 */
export async function* queryAudit(
  directory: string,
  filter: AuditFilter,
  signal?: AbortSignal,
): AsyncIterable<AuditEntry> {
  const search: Search = { filter, matcher: entryMatcher(filter), signal };
  const end = endOf(directory);
  if (!end) return;
  yield* forward(directory, await startOf(directory, { ...search, end }), { ...search, end });
  signal?.throwIfAborted();
}

/** As {@link queryAudit}, then every new entry that matches, until the signal aborts (then it ends). */
export async function* followAudit(
  directory: string,
  filter: AuditFilter,
  signal: AbortSignal,
): AsyncIterable<AuditEntry> {
  const search: Search = { filter, matcher: entryMatcher(filter), signal };
  using changes = watchFolder(directory);
  let end = endOf(directory);
  let place: Place = { segment: segmentAt(directory, 0), bytes: 0 };
  if (end) {
    const start = await startOf(directory, { ...search, end });
    yield* forward(directory, start, { ...search, end });
    place = end;
  }
  while (!signal.aborted) {
    end = endOf(directory);
    if (!end || isSame(end, place)) {
      await changes.next(signal);
      continue;
    }
    yield* forward(directory, place, { ...search, end });
    place = end;
  }
}

const READ_BYTES = 256 * 1024;
/** Longest time (ms) between two looks at the folder. */
const POLL_MS_MAX = 250;
/** First look after the system told of a change: further changes within its own pause it may not tell. */
const POLL_MS_MIN = 20;

function isSame(a: Place, b: Place): boolean {
  return a.segment.first === b.segment.first && a.bytes === b.bytes;
}

/** The place after the last whole entry. */
function endOf(directory: string): Place | undefined {
  const segment = listSegments(directory).at(-1);
  if (!segment) return;
  return withFile(segment, (fd, size) => {
    for (let at = size; at > 0; ) {
      const start = Math.max(0, at - ENTRY_BYTES_MAX);
      const found = readFully(fd, at - start, start).lastIndexOf(10);
      if (found !== -1) return { segment, bytes: start + found + 1 };
      at = start;
    }
    return { segment, bytes: 0 };
  });
}

/** Where to begin reading forward so that what matches is within the limit. */
async function startOf(
  directory: string,
  { filter, matcher, end, signal }: Search & { readonly end: Place },
): Promise<Place> {
  const from = filter.from_sequence ?? 0;
  const segments = listSegments(directory).filter(({ first }) => first <= end.segment.first);
  // The first segment that can hold `from`: the last one that does not start after it.
  const oldest = Math.max(
    0,
    segments.findLastIndex(({ first }) => first <= from),
  );
  const start: Place = { segment: segments[oldest]!, bytes: 0 };
  if (filter.limit === undefined) return start;
  if (filter.limit <= 0) return end;
  let left = filter.limit;
  for (const segment of segments.slice(oldest).reverse()) {
    const isNewest = segment.first === end.segment.first;
    const fd = openSegment(segment);
    try {
      for (const lines of backward(fd, isNewest ? end.bytes : fstatSync(fd).size)) {
        for (const { line, at } of lines) {
          if (!matcher.mayMatch(line) || !matcher.matches(parse(line, segment))) continue;
          if (--left === 0) return { segment, bytes: at };
        }
        await turn();
        if (signal?.aborted) return end;
      }
    } finally {
      closeSync(fd);
    }
  }
  return start;
}

/** Whole lines, last first, a piece of a segment at a time, and where each begins. */
function* backward(
  fd: number,
  endBytes: number,
): Generator<readonly { readonly line: Uint8Array; readonly at: number }[]> {
  let end = endBytes;
  let window = READ_BYTES;
  while (end > 0) {
    const base = Math.max(0, end - window);
    const bytes = readFully(fd, end - base, base);
    const lines: { line: Uint8Array; at: number }[] = [];
    let stop = bytes.length;
    // The line feed that ends a line stands at stop - 1; the one before it ends the line before.
    while (stop > 0) {
      const before = stop >= 2 ? bytes.lastIndexOf(10, stop - 2) : -1;
      if (before === -1 && base > 0) break;
      lines.push({ line: bytes.subarray(before + 1, stop - 1), at: base + before + 1 });
      stop = before + 1;
    }
    // A line longer than the window: look further back.
    window = stop === bytes.length ? window * 2 : READ_BYTES;
    end = base + stop;
    yield lines;
  }
}

/** However large the log, others get their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Matching entries between two places, read in pieces; none any more once the signal has aborted. */
async function* forward(
  directory: string,
  start: Place,
  { end, matcher, signal }: Search & { readonly end: Place },
): AsyncGenerator<AuditEntry> {
  for (const segment of listSegments(directory)) {
    if (segment.first < start.segment.first || segment.first > end.segment.first) continue;
    const fd = openSegment(segment);
    try {
      let at = segment.first === start.segment.first ? start.bytes : 0;
      const size = segment.first === end.segment.first ? end.bytes : fstatSync(fd).size;
      let window = READ_BYTES;
      while (at < size) {
        const bytes = readFully(fd, Math.min(window, size - at), at);
        const found: AuditEntry[] = [];
        const whole = eachLine(bytes, (line) => {
          if (!matcher.mayMatch(line)) return;
          const entry = parse(line, segment);
          if (matcher.matches(entry)) found.push(entry);
        });
        for (const entry of found) {
          if (signal?.aborted) return;
          yield entry;
        }
        if (whole === 0 && bytes.length < window) break;
        window = whole === 0 ? window * 2 : READ_BYTES;
        at += whole;
        if (found.length === 0) await turn();
        if (signal?.aborted) return;
      }
    } finally {
      closeSync(fd);
    }
  }
}

function parse(line: Uint8Array, segment: Segment): AuditEntry {
  try {
    const value: unknown = JSON.parse(Buffer.from(line).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as AuditEntry;
  } catch {
    // Reported below, as is JSON that is no object.
  }
  throw new OperonError({
    code: "audit.unreadable",
    kind: "data_loss",
    message: `A line in ${segment.file} is not an audit entry`,
    hint: "Run operon audit verify: it names every damaged entry",
  });
}

function openSegment(segment: Segment): number {
  return openSync(segment.path, constants.O_RDONLY | constants.O_NOFOLLOW);
}

function withFile<T>(segment: Segment, use: (fd: number, size: number) => T): T {
  const fd = openSegment(segment);
  try {
    return use(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

interface Changes extends Disposable {
  /** Resolves on a change since the last call, after the poll interval, or when the signal aborts. */
  next(signal: AbortSignal): Promise<void>;
}

/** Wakes on the system's word and looks by itself now and then: not every file system tells. */
function watchFolder(directory: string): Changes {
  let changed = false;
  let pollMs = POLL_MS_MIN;
  let wake: (() => void) | undefined;
  const notice = () => {
    changed = true;
    pollMs = POLL_MS_MIN;
    wake?.();
  };
  let watcher: ReturnType<typeof watch> | undefined;
  try {
    watcher = watch(directory, notice);
    watcher.on("error", () => {});
  } catch {
    // Polling alone is slower, not wrong.
  }
  return {
    async next(signal) {
      if (!changed && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = () => resolve();
        signal.addEventListener("abort", wake, { once: true });
        using _poll = systemClock.after(pollMs, wake);
        pollMs = Math.min(POLL_MS_MAX, pollMs * 2);
        await promise;
        signal.removeEventListener("abort", wake);
      }
      changed = false;
    },
    [Symbol.dispose]: () => watcher?.close(),
  };
}
