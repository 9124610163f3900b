import { closeSync, constants, fdatasync, fsyncSync, openSync, readSync, writeSync } from "node:fs";

/** Opens for reading and writing at given places, creating when missing, never through a symlink. */
export const CREATE_READ_WRITE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Writes all of `bytes` at `position`; a disk that takes only a part is an error of the next write. */
export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** Reads up to `length` bytes at `position`; fewer only at the end of the file. */
export function readFully(fd: number, length: number, position: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const got = readSync(fd, bytes, done, length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return bytes.subarray(0, done);
}

/** Makes a folder's entries durable: a new file survives a power cut only after this. */
export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** How entries become durable: `sync` blocks for less time than `async` costs in switching, on a quick disk. */
export type SyncMode = "sync" | "async";

/** Makes a file's content durable without holding up anything else. */
export function dataSync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error ? reject(error) : resolve()));
  });
}
