// fs.read: streams a file or a range of it.
// It must never hold more of a file than one chunk.
// Next: open_file.ts for what may be opened.

import { readSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import { CHUNK_BYTES_MAX } from "../../limits.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { openFile } from "./open_file.ts";
import type { operations } from "./schema.ts";

type Read = typeof operations.read;

/** How much is read before other calls get a turn (bytes): about a millisecond. */
const TURN_BYTES = 2 * 1024 * 1024;

/** Handler of `fs.read`. */
export async function* read(
  { path, offset_bytes, length_bytes }: z.output<Read["input"]>,
  call: Call<Read, "mounts">,
): AsyncGenerator<Uint8Array, z.input<Read["output"]>, undefined> {
  using parent = call.services.mounts.parent(path, "look");
  using file = openFile(parent, call);
  const sizeBytes = Number(file.stat.size);
  // A file that grows while it is read ends where it ended at first; one of size 0 may be one the kernel makes up.
  const limit = sizeBytes === 0 ? Number.MAX_SAFE_INTEGER : Math.max(sizeBytes - offset_bytes, 0);
  let left = Math.min(length_bytes ?? limit, limit);
  let turn = TURN_BYTES;
  const buffer = Buffer.allocUnsafeSlow(Math.min(left, CHUNK_BYTES_MAX));
  for (let position = offset_bytes; left > 0; ) {
    call.signal.throwIfAborted();
    const size = Math.min(left, buffer.length);
    const got = attempt(call, path, () => readSync(file.fd, buffer, 0, size, position));
    if (got === 0) break;
    position += got;
    left -= got;
    turn -= got;
    yield buffer.subarray(0, got);
    if (turn > 0) continue;
    turn = TURN_BYTES;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { size_bytes: sizeBytes, version: versionOf(file.stat) };
}
