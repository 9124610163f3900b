// Lines of before, in the home: what was typed may name files and hosts, so nobody else reads it.
// It must never follow a link, nor keep a line its typist put a blank before.
// Next: shell_verb.ts reads and adds.

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";

/** Lines that are kept. */
export const HISTORY_LINES_MAX = 1_000;
/** A file that has grown past this (bytes) is cut to the lines that are kept. */
const HISTORY_BYTES_MAX = 1024 * 1024;
/** Longer lines are not kept (UTF-16 units). */
const LINE_CHARS_MAX = 4_096;

/** A history file. Several shells may add to it at once. */
export class History {
  readonly #path: string;
  /** Why lines are not kept in the file; `undefined` while they are. */
  failure: string | undefined;
  #lines: string[] = [];

  constructor(path: string) {
    this.#path = path;
    this.#withFile((file) => {
      const { size } = fstatSync(file);
      const lines = readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "");
      this.#lines = lines.slice(-HISTORY_LINES_MAX);
      if (size > HISTORY_BYTES_MAX) {
        ftruncateSync(file, 0);
        writeSync(file, this.#lines.map((line) => `${line}\n`).join(""));
      }
    });
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Keeps a line, unless it is empty, begins with a blank, or is the last one again. */
  add(line: string): void {
    if (!isKept(line) || line === this.#lines.at(-1)) return;
    this.#lines.push(line);
    if (this.#lines.length > HISTORY_LINES_MAX) this.#lines.shift();
    this.#withFile((file) => void writeSync(file, `${line}\n`));
  }

  #withFile(use: (file: number) => void): void {
    if (this.failure !== undefined) return;
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    let file: number | undefined;
    try {
      file = openSync(this.#path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
      const found = fstatSync(file);
      if (!found.isFile()) throw Object.assign(new Error(), { code: "it is no file" });
      if ((found.mode & 0o077) !== 0) fchmodSync(file, 0o600);
      use(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Without a home there is nothing to keep lines in, and nothing wrong with that.
      this.failure = code === "ENOENT" ? "" : (code ?? "unknown reason");
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }
}

function isKept(line: string): boolean {
  const isPlain = line !== "" && !/^\s/.test(line) && !line.includes("\n");
  return isPlain && line.length <= LINE_CHARS_MAX;
}
