// Reads one file of a tree as events: what the other end lacks of it, and the hash of all of it.
// It must never yield a buffer it will write to again, nor hide that the file changed under it.
// Next: tree_source.ts finds the files.

import { fstatSync, readSync } from "node:fs";
import { CHUNK_BYTES_MAX } from "../../limits.ts";
import { attempt, type Failing } from "./failure.ts";
import { hashRange } from "./file_hash.ts";
import type { OpenFile } from "./open_file.ts";
import type { TreeEvent } from "./tree_event.ts";

/** What the other end has already. */
export interface Have {
  /** How much of this very file is there: its size when all of it, less in a partial file, `undefined` when nothing. */
  of(file: HaveQuestion): Promise<number | undefined>;
}

/** A file that may be there. */
export interface HaveQuestion {
  /** Path below the root; `""` for the root itself. */
  readonly below: string;
  readonly name: string;
  readonly size_bytes: number;
  readonly modified_ns: bigint;
  /** SHA-256 of the file here, read when it is asked for. */
  readonly sha256: () => Promise<string>;
}

/** A file that is read. */
export interface ReadFile {
  readonly file: OpenFile;
  readonly path: string;
  readonly below: string;
  readonly name: string;
  readonly hashed: boolean;
  readonly have: Have | undefined;
  readonly call: Failing & { readonly signal: AbortSignal };
}

/** Read before other calls get a turn (bytes): about a millisecond. */
const TURN_BYTES = 2 * 1024 * 1024;

/** The events of one file. */
export async function* readContent(reading: ReadFile): AsyncGenerator<TreeEvent, undefined> {
  const { file, below, have } = reading;
  const { stat } = file;
  const size = Number(stat.size);
  const there = await have?.of(questionOf(reading));
  const kept = there === size;
  const offset = kept ? 0 : (there ?? 0);
  yield {
    kind: "file",
    below,
    mode: Number(stat.mode) & 0o777,
    modified_ns: stat.mtimeNs,
    size_bytes: size,
    offset_bytes: kept ? size : offset,
    kept,
  };
  if (kept) return undefined;
  yield* readBytes(reading, offset);
  return undefined;
}

async function* readBytes(
  { file, path, below, hashed, call }: ReadFile,
  offset: number,
): AsyncGenerator<TreeEvent, undefined> {
  const size = Number(file.stat.size);
  const hasher = hashed ? new Bun.CryptoHasher("sha256") : undefined;
  if (hasher && offset > 0) await hashRange(file.fd, { start: 0, end: offset, hasher, path, call });
  let position = offset;
  for (let left = TURN_BYTES; position < size; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(size - position, CHUNK_BYTES_MAX));
    const got = attempt(call, path, () => readSync(file.fd, buffer, 0, buffer.length, position));
    if (got === 0) break;
    const bytes = got === buffer.length ? buffer : buffer.subarray(0, got);
    hasher?.update(bytes);
    position += got;
    left -= got;
    yield { kind: "data", bytes };
    if (left > 0) continue;
    left = TURN_BYTES;
    await new Promise((resolve) => setImmediate(resolve));
    call.signal.throwIfAborted();
  }
  const now = attempt(call, path, () => fstatSync(file.fd, { bigint: true }));
  yield { kind: "file_end", sha256: hasher?.digest("hex"), size_bytes: position };
  if (now.mtimeNs !== file.stat.mtimeNs || now.size !== file.stat.size) {
    yield { kind: "skipped", below, reason: "changed" };
  }
  return undefined;
}

function questionOf({ file, below, name, path, call }: ReadFile): HaveQuestion {
  return {
    below,
    name,
    size_bytes: Number(file.stat.size),
    modified_ns: file.stat.mtimeNs,
    async sha256() {
      const hasher = new Bun.CryptoHasher("sha256");
      await hashRange(file.fd, { start: 0, end: Number(file.stat.size), hasher, path, call });
      return hasher.digest("hex");
    },
  };
}
