// fs.grep: lines of files that match a pattern, as they are found.
// It must never read a file that policy would not let the caller read, nor spend more than linear time on a line.
// Next: pattern.ts matches lines, line_reader.ts reads them, search_walk.ts finds the files.

import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountParent } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { accessesOfListing, accessesOfReading } from "./access.ts";
import { nameMatcher } from "./find.ts";
import { linesOf } from "./line_reader.ts";
import { openFile } from "./open_file.ts";
import { compilePattern, type LineTest } from "./pattern.ts";
import { currentAt } from "./precondition.ts";
import type { searchOperations } from "./search_operations.ts";
import { turn, Walk } from "./search_walk.ts";

type Grep = (typeof searchOperations)["grep"];
type Input = z.output<Grep["input"]>;
type Line = z.input<Grep["sends"]["item"]>;
type Output = z.input<Grep["output"]>;

/** Searching for this long (ms) gives other calls a turn. */
const TURN_MS = 5;
/** Longest text of a line that is shown (UTF-16 units). */
const TEXT_CHARS_MAX = 2000;

/** Handler of `fs.grep`. */
export async function* grep(
  input: Input,
  call: Call<Grep, "mounts">,
): AsyncGenerator<Line, Output, undefined> {
  const search = new Search(input, call);
  const { mounts } = call.services;
  using parent = mounts.parent(input.path, "look");
  if (parent.name !== "" && !currentAt(parent, call)?.isDirectory()) {
    yield* search.file(parent);
    return search.output(0);
  }
  const accessesOf = accessesOfListing("fs.grep");
  const walk = new Walk({ path: input.path, depthMax: Number.POSITIVE_INFINITY, accessesOf }, call);
  const isNamed = nameMatcher(input.name, call);
  for await (const entry of walk.entries()) {
    if (!entry.stat.isFile() || !entry.isNameable || !isNamed(entry)) continue;
    yield* search.entry(entry.path);
    if (search.isOver) break;
  }
  return search.output(walk.skipped);
}

class Search {
  readonly #input: Input;
  readonly #call: Call<Grep, "mounts">;
  readonly #test: LineTest;
  #matches = 0;
  #files = 0;
  #searched = 0;
  #skipped = 0;
  #binary = 0;
  #turnMs = performance.now();
  isOver = false;

  constructor(input: Input, call: Call<Grep, "mounts">) {
    this.#input = input;
    this.#call = call;
    const { pattern, fixed, ignore_case } = input;
    try {
      this.#test = compilePattern(pattern, { fixed, ignoreCase: ignore_case });
    } catch (error) {
      throw call.fail("pattern_invalid", { why: (error as Error).message });
    }
  }

  output(foldersSkipped: number): Output {
    return {
      matches: this.#matches,
      files: this.#files,
      searched: this.#searched,
      truncated: this.isOver,
      skipped: this.#skipped + foldersSkipped,
      binary: this.#binary,
    };
  }

  /** A file that a walk came to: one the caller may not read, or that is gone, is left out. */
  async *entry(path: string): AsyncGenerator<Line, undefined> {
    const { mounts } = this.#call.services;
    let parent: MountParent;
    try {
      const accesses = accessesOfReading("fs.grep")(mounts.resourceOf(path));
      if (!accesses.every((access) => this.#call.authorize(access))) {
        this.#skipped++;
        return undefined;
      }
      parent = mounts.parent(path, "look");
    } catch (error) {
      this.#leaveOut(error);
      return undefined;
    }
    using opened = parent;
    yield* this.file(opened, { isQuiet: true });
    return undefined;
  }

  async *file(
    parent: MountParent,
    { isQuiet = false }: { readonly isQuiet?: boolean } = {},
  ): AsyncGenerator<Line, undefined> {
    let opened: ReturnType<typeof openFile>;
    try {
      opened = openFile(parent, this.#call);
    } catch (error) {
      if (!isQuiet) throw error;
      this.#leaveOut(error);
      return undefined;
    }
    using file = opened;
    this.#searched++;
    const { binary } = this.#input;
    const reading = { path: parent.virtual_path, binary, call: this.#call };
    const lines = linesOf(file.fd, reading);
    const isText = yield* this.#lines(parent.virtual_path, lines);
    if (!isText) this.#binary++;
    return undefined;
  }

  /** False when the file turned out to be none of text. */
  async *#lines(path: string, lines: ReturnType<typeof linesOf>): AsyncGenerator<Line, boolean> {
    const { before, after, files_only, limit } = this.#input;
    const earlier: Line[] = [];
    let following = 0;
    let number = 0;
    let found = 0;
    for (;;) {
      const next = lines.next();
      if (next.done) return next.value;
      number++;
      if (performance.now() - this.#turnMs > TURN_MS) {
        await turn(this.#call.signal);
        this.#turnMs = performance.now();
      }
      const { text, isCut } = next.value;
      if (this.#test(text)) {
        if (this.#matches >= limit) {
          this.isOver = true;
          return true;
        }
        this.#matches++;
        if (found++ === 0) this.#files++;
        yield* earlier.splice(0);
        yield shown({ path, line: number, kind: "match", text, cut: isCut });
        following = after;
        if (files_only) return true;
        continue;
      }
      if (following > 0) {
        following--;
        yield shown({ path, line: number, kind: "context", text, cut: isCut });
      } else if (before > 0) {
        earlier.push(shown({ path, line: number, kind: "context", text, cut: isCut }));
        if (earlier.length > before) earlier.shift();
      }
    }
  }

  #leaveOut(error: unknown): void {
    if (!(error instanceof OperonError)) throw error;
    this.#skipped++;
  }
}

function shown(line: Line): Line {
  if (line.text.length <= TEXT_CHARS_MAX) return line;
  return { ...line, text: line.text.slice(0, TEXT_CHARS_MAX).toWellFormed(), cut: true };
}
