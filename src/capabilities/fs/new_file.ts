// A small file where nothing is yet, in the fewest steps: written without a name, then named.
// It must never replace anything, or be seen half-written.
// Next: staged_file.ts does everything else; tree_sink.ts tries this first.

import { closeSync, constants, fchmodSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { MountParent } from "../../contract/services.ts";
import { native, O_CLOEXEC, O_TMPFILE_BIT } from "./native.ts";

/** What is to be made. */
export interface NewFile {
  readonly content: readonly Uint8Array[];
  readonly mode: number;
  readonly modified_ns: bigint;
}

/**
 * Makes the file and returns true; false, with nothing done, where something has the name or the disk knows no unnamed
 * files. Naming is one step that fails when the name is taken, so it needs no lock. Throws what the host throws.
 */
export function makeNewFile(parent: MountParent, file: NewFile): boolean {
  if (process.platform !== "linux" || parent.name === "") return false;
  const flags = O_TMPFILE_BIT | constants.O_DIRECTORY | constants.O_RDWR | O_CLOEXEC;
  // A file without a name is nobody's to open, so it may have its own mode at once.
  const fd = attemptOpen(`${dirname(parent.path)}/.`, flags, file.mode);
  if (fd === undefined) return false;
  try {
    for (const bytes of file.content) writeAll(fd, bytes);
    if ((file.mode & process.umask()) !== 0) fchmodSync(fd, file.mode);
    native().setModified(`/proc/self/fd/${fd}`, file.modified_ns);
    native().linkDescriptor(fd, parent.fd, parent.name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

function attemptOpen(path: string, flags: number, mode: number): number | undefined {
  try {
    return openSync(path, flags, mode);
  } catch {
    return undefined;
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; ) {
    done += writeSync(fd, bytes, done, bytes.byteLength - done);
  }
}
