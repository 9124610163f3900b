// What the end that receives a tree has already: looked up on this node, or read from the other node's survey.
// It must never be believed by the end that writes: it checks what it keeps.
// Next: tree_file.ts asks it for every file.

import { lstatSync } from "node:fs";
import { OperonError } from "../../error.ts";
import { PARTIAL_BYTES_MIN, partialName, rootPartial, type TreeEvent } from "./tree_event.ts";
import type { Have, HaveQuestion } from "./tree_file.ts";
import { pathBelow, type Reading } from "./tree_source.ts";

/** Files remembered of a survey: beyond it they are copied again, which is slow and right. */
const FILES_MAX = 500_000;

/** A file of a survey. */
interface Surveyed {
  readonly size_bytes: number;
  readonly modified_ns: bigint;
  readonly sha256: string | undefined;
}

/** What a survey's events say; reads them to the end. */
export async function haveOf(events: AsyncIterable<TreeEvent>): Promise<Have | undefined> {
  const files = new Map<string, Surveyed>();
  let last: { below: string; file: Surveyed } | undefined;
  for await (const event of events) {
    if (event.kind === "file" && files.size < FILES_MAX) {
      const { below, size_bytes, modified_ns } = event;
      last = { below, file: { size_bytes, modified_ns, sha256: undefined } };
      files.set(below, last.file);
    } else if (event.kind === "file_end" && last) {
      files.set(last.below, { ...last.file, sha256: event.sha256 });
    }
  }
  return files.size === 0 ? undefined : { of: (question) => lookUp(files, question) };
}

async function lookUp(
  files: ReadonlyMap<string, Surveyed>,
  question: HaveQuestion,
): Promise<number | undefined> {
  const { below, name, size_bytes, modified_ns } = question;
  const there = files.get(below);
  if (there?.size_bytes === size_bytes) {
    if (there.sha256 === undefined) {
      if (there.modified_ns === modified_ns) return size_bytes;
    } else if (there.sha256 === (await question.sha256())) return size_bytes;
  }
  if (size_bytes < PARTIAL_BYTES_MIN) return undefined;
  const above = below.slice(0, below.length - name.length);
  const partial = below === "" ? rootPartial(question) : above + partialName(name, question);
  const found = files.get(partial);
  // All of it but the last byte at most: a partial file still has to be put in place.
  return found && Math.min(found.size_bytes, size_bytes - 1);
}

/** What stands below a path of this node. Files whose size and time are the same count as the same. */
export function haveBelow(to: string, call: Reading): Have {
  return {
    async of({ below, size_bytes, modified_ns }) {
      try {
        using parent = call.services.mounts.parent(pathBelow(to, below), "look");
        const stat = lstatSync(parent.path, { bigint: true, throwIfNoEntry: false });
        const isSame =
          stat?.isFile() && Number(stat.size) === size_bytes && stat.mtimeNs === modified_ns;
        return isSame ? size_bytes : undefined;
      } catch (error) {
        // Not there, or not to be looked at: then it is copied, and that says why it cannot be.
        if (error instanceof OperonError) return undefined;
        throw error;
      }
    },
  };
}
