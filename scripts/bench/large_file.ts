// A file of 1 GiB that does not compress, made once per folder.

import { closeSync, existsSync, openSync, writeSync } from "node:fs";

/** Size of what bulk rows move (bytes). */
export const LARGE_BYTES = 1024 ** 3;

/** Makes the file unless it is there. */
export function makeLargeFile(path: string): string {
  if (existsSync(path)) return path;
  const block = Buffer.concat(
    Array.from({ length: 128 }, () => crypto.getRandomValues(new Uint8Array(65_536))),
  );
  const fd = openSync(path, "w");
  for (let at = 0; at < LARGE_BYTES; at += block.length) writeSync(fd, block);
  closeSync(fd);
  return path;
}
