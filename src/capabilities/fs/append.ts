// What a file holds already, in front of what is added to it.
// It must never change the file itself: until the new one is complete the old one stands.
// Next: write.ts puts the result in place, guarded by the version that was read.

import { readSync } from "node:fs";
import type { Call } from "../../contract/capability.ts";
import type { AnyOperation } from "../../contract/operation.ts";
import type { MountParent } from "../../contract/services.ts";
import { CHUNK_BYTES_MAX } from "../../limits.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { openFile } from "./open_file.ts";
import { currentAt, type Precondition } from "./precondition.ts";
import type { StagedFile } from "./staged_file.ts";

/** How much is copied before other calls get a turn (bytes): a few milliseconds. */
const TURN_BYTES = 4 * 1024 * 1024;

/** Copies what is there into `staged`; the result says what must still be there when it is put in place. */
export async function copyExisting(
  parent: MountParent,
  staged: StagedFile,
  call: Call<AnyOperation, "mounts">,
): Promise<Precondition> {
  if (!currentAt(parent, call)) return { require_absent: true };
  using file = openFile(parent, call);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES_MAX);
  for (let position = 0, turn = 0; ; ) {
    call.signal.throwIfAborted();
    const got = attempt(call, parent.virtual_path, () =>
      readSync(file.fd, chunk, 0, chunk.length, position),
    );
    if (got === 0) return { expected_version: versionOf(file.stat) };
    staged.write(chunk.subarray(0, got));
    position += got;
    turn += got;
    if (turn < TURN_BYTES) continue;
    turn = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
