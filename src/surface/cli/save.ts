// A stream into a local file: beside its place until it is complete, then into it in one step.
// It must never leave half a file where a whole one was, or behind.
// Next: show.ts sends streams here when a flag names a file.

import { constants } from "node:fs";
import { type FileHandle, open, realpath, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OperonError } from "../../error.ts";
import { usageError } from "./usage_error.ts";

/** A file that is being written. Close it with `commit`, or dispose of it to leave everything as it was. */
export interface Saving extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>;
  /** Puts the file in its place. */
  commit(): Promise<void>;
}

/** A link is followed; a pipe or device is written to as it is. @throws OperonError `cli.file_unwritable` */
export async function saveTo(path: string): Promise<Saving> {
  try {
    const found = await stat(path).catch(missingIsFine);
    if (found && !found.isFile()) {
      if (found.isDirectory()) throw unwritable(path, "it is a folder");
      return new DirectSaving(await open(path, "w"), path);
    }
    const target = found ? await realpath(path) : path;
    const temporary = join(dirname(target), `.${basename(target)}.${crypto.randomUUID()}`);
    // Mode as a shell's redirection gives it, or that of the file it takes the place of.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const file = await open(temporary, flags, found ? 0o600 : 0o666);
    if (found) await file.chmod(found.mode & 0o777);
    return new StagedSaving(file, { path, target, temporary });
  } catch (error) {
    throw toUnwritable(path, error);
  }
}

class DirectSaving implements Saving {
  readonly #file: FileHandle;
  readonly #path: string;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#file, bytes, this.#path);
  }

  async commit(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }
}

interface Places {
  readonly path: string;
  readonly target: string;
  readonly temporary: string;
}

class StagedSaving implements Saving {
  readonly #file: FileHandle;
  readonly #places: Places;
  #isCommitted = false;

  constructor(file: FileHandle, places: Places) {
    this.#file = file;
    this.#places = places;
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#file, bytes, this.#places.path);
  }

  async commit(): Promise<void> {
    const { path, target, temporary } = this.#places;
    try {
      await this.#file.close();
      await rename(temporary, target);
      this.#isCommitted = true;
    } catch (error) {
      throw toUnwritable(path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isCommitted) return;
    await this.#file.close().catch(() => {});
    await unlink(this.#places.temporary).catch(() => {});
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  try {
    for (let offset = 0; offset < bytes.byteLength; ) {
      offset += (await file.write(bytes, offset, bytes.byteLength - offset)).bytesWritten;
    }
  } catch (error) {
    throw new OperonError({
      code: "cli.output_failed",
      kind: "data_loss",
      message: `${JSON.stringify(path)} could not be written (${(error as NodeJS.ErrnoException).code})`,
      hint: "Check that its disk is not full",
      cause: error,
    });
  }
}

function missingIsFine(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw error;
}

function toUnwritable(path: string, error: unknown) {
  const { code, name } = error as NodeJS.ErrnoException;
  return name === "OperonError" ? error : unwritable(path, code ?? "unknown reason");
}

function unwritable(path: string, why: string) {
  return usageError(
    "file_unwritable",
    `${JSON.stringify(path)} cannot be written (${why})`,
    "The file is made on this machine; check its folder",
  );
}
