// Reads a folder's names in batches, so that 100,000 of them never stand in memory at once.
// It must never turn a name's bytes into text to reach the file: names need not be UTF-8.
// Next: list.ts and tree.ts read folders with it.

import { readdirSync } from "node:fs";
import { native } from "./native.ts";

const BATCH_BYTES = 64 * 1024;
/** struct linux_dirent64: inode (8), offset (8), record length (2), type (1), name, NUL. */
const LENGTH_AT = 16;
const NAME_AT = 19;

/** Names in an open folder as raw bytes, a batch at a time, in the disk's order, without `.` and `..`. */
export function* readNames(folder: {
  readonly fd: number;
  readonly path: string;
}): Generator<readonly Buffer[]> {
  const { getdents } = native();
  if (!getdents) {
    yield readdirSync(folder.path, { encoding: "buffer" }) as Buffer[];
    return;
  }
  const buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  for (;;) {
    const bytes = getdents(folder.fd, buffer);
    if (bytes === 0) return;
    yield namesIn(buffer.subarray(0, bytes));
  }
}

/** How a name's bytes reach the object: appended to the path of its open folder. */
export function entryPath(folderPath: string, name: Buffer): string | Buffer {
  const text = name.toString();
  return isUtf8(name, text)
    ? `${folderPath}/${text}`
    : Buffer.concat([Buffer.from(`${folderPath}/`), name]);
}

/** Whether `text` is exactly what the bytes say. */
export function isUtf8(name: Buffer, text: string): boolean {
  return !text.includes("\ufffd") || Buffer.from(text).equals(name);
}

function namesIn(batch: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at < batch.length; ) {
    const length = batch.readUInt16LE(at + LENGTH_AT);
    const end = batch.indexOf(0, at + NAME_AT);
    const name = batch.subarray(at + NAME_AT, end);
    if (!isDots(name)) names.push(Buffer.from(name));
    at += length;
  }
  return names;
}

const DOT = 0x2e;

function isDots(name: Buffer): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}
