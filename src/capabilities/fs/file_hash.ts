// Feeds a range of an open file into a hash, in turns.
// It must never hold the event loop for a whole large file.
// Next: attribute.ts for fs.hash; tree_source.ts and partial_file.ts hash what a resumed copy already has.

import { readSync } from "node:fs";
import { attempt, type Failing } from "./failure.ts";

/** Read and hashed before other calls get a turn (bytes): one to two milliseconds. */
const TURN_BYTES = 2 * 1024 * 1024;

/** What is hashed, and for whom. */
export interface HashRange {
  /** First byte, and the one after the last. */
  readonly start: number;
  readonly end: number;
  readonly hasher: Bun.CryptoHasher;
  readonly path: string;
  readonly call: Failing & { readonly signal: AbortSignal };
}

/** Hashes up to `end` or the file's end; resolves to the bytes that were there. */
export async function hashRange(
  fd: number,
  { start, end, hasher, path, call }: HashRange,
): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(TURN_BYTES, end - start)));
  for (let position = start; ; ) {
    call.signal.throwIfAborted();
    const wanted = Math.min(buffer.length, end - position);
    const got =
      wanted <= 0 ? 0 : attempt(call, path, () => readSync(fd, buffer, 0, wanted, position));
    if (got === 0) return position - start;
    hasher.update(buffer.subarray(0, got));
    position += got;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
