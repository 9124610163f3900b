// Private files: opened without following links, checked before they are believed, replaced whole.
// It must never read a secret from a file others could have read or written.
// Next: keystore.ts, known_nodes.ts and config/ keep their files this way.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { OperonError } from "../error.ts";

const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** What a private file may look like. */
export interface PrivateFileOptions {
  readonly maxBytes: number;
  /** `secret`: nobody else may read it. `trusted`: others may read but not write it. Default `secret`. */
  readonly privacy?: "secret" | "trusted";
}

/**
 * Reads a private file.
 * @throws OperonError `identity.file_missing`, `identity.file_exposed`, `identity.file_linked`, `identity.file_invalid`
 */
export function readPrivateFile(
  path: string,
  { maxBytes, privacy = "secret" }: PrivateFileOptions,
): Uint8Array {
  const descriptor = openPrivate(path);
  try {
    const stats = fstatSync(descriptor);
    assertPrivate(path, stats, privacy);
    if (stats.size > maxBytes)
      throw fileInvalid(path, `it has ${stats.size} bytes, more than ${maxBytes}`);
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    while (length < bytes.byteLength) {
      const count = readSync(descriptor, bytes, length, bytes.byteLength - length, length);
      if (count === 0) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes a file of mode 0600 so that a reader sees the old content or the new, also after a crash.
 * @param options.exclusive fails when the file exists
 * @throws OperonError `identity.file_exists`, `identity.file_linked`, `identity.folder_exposed`
 */
export function writePrivateFile(
  path: string,
  bytes: Uint8Array,
  options: { readonly exclusive?: boolean } = {},
): void {
  const folder = dirname(path);
  assertPrivateFolder(folder);
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing?.isSymbolicLink()) throw fileLinked(path);
  if (existing && options.exclusive) throw fileExists(path);
  const suffix = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
  const temporary = options.exclusive ? path : join(folder, `.${suffix}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const descriptor = openSync(temporary, flags, 0o600);
  try {
    for (let offset = 0; offset < bytes.byteLength; )
      offset += writeSync(descriptor, bytes, offset);
    fsyncSync(descriptor);
    if (temporary !== path) renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
  syncFolder(folder);
}

/**
 * Refuses a folder in which others could swap files: it must be ours (or root's) and not writable by others.
 * @throws OperonError `identity.folder_exposed`, `identity.file_linked`
 */
export function assertPrivateFolder(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) throw folderMissing(path);
  const isShared = (stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0;
  if (isOurs(stats) && !isShared) return;
  throw new OperonError({
    code: "identity.folder_exposed",
    kind: "failed_precondition",
    message: `Others can change files in ${path}`,
    hint: `Run: chmod go-w ${path}${isOurs(stats) ? "" : `, and make it yours with chown`}`,
  });
}

function openPrivate(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw fileMissing(path);
    if (code === "ELOOP") throw fileLinked(path);
    throw fileInvalid(path, `it cannot be opened (${code ?? "unknown"})`);
  }
}

function assertPrivate(path: string, stats: Stats, privacy: "secret" | "trusted"): void {
  if (!stats.isFile()) throw fileInvalid(path, "it is no regular file");
  const forbidden = privacy === "secret" ? OTHERS : OTHERS_WRITE;
  if (isOurs(stats) && (stats.mode & forbidden) === 0) return;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  throw new OperonError({
    code: "identity.file_exposed",
    kind: "failed_precondition",
    message: `${path} has mode ${mode}${isOurs(stats) ? "" : ` and belongs to user ${stats.uid}`}: others could ${privacy === "secret" ? "read" : "change"} it`,
    hint: isOurs(stats)
      ? `Run: chmod 600 ${path}`
      : `Run: chown $(id -u) ${path} && chmod 600 ${path}`,
  });
}

function isOurs({ uid }: Stats): boolean {
  return uid === process.getuid?.() || uid === 0 || process.getuid === undefined;
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function fileMissing(path: string): OperonError {
  return new OperonError({
    code: "identity.file_missing",
    kind: "not_found",
    message: `There is no ${path}`,
    hint: "Check the path, and that the file was made",
  });
}

function folderMissing(path: string): OperonError {
  return new OperonError({
    code: "identity.file_missing",
    kind: "not_found",
    message: `There is no folder ${path}`,
    hint: `Check the path, or make the folder first: mkdir -p -m 700 ${path}`,
  });
}

function fileExists(path: string): OperonError {
  return new OperonError({
    code: "identity.file_exists",
    kind: "already_exists",
    message: `${path} exists already`,
    hint: "It is never overwritten; move it away first if you really want a new one",
  });
}

function fileLinked(path: string): OperonError {
  return new OperonError({
    code: "identity.file_linked",
    kind: "failed_precondition",
    message: `${path} is a symbolic link`,
    hint: "Private files must be real files, so that nobody can point them elsewhere; replace the link by its target",
  });
}

function fileInvalid(path: string, why: string): OperonError {
  return new OperonError({
    code: "identity.file_invalid",
    kind: "failed_precondition",
    message: `${path} cannot be used: ${why}`,
    hint: "Check the path and the file",
  });
}
