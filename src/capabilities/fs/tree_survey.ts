// What is at a path already, for a copy that goes on where an earlier one stopped: sizes and times of files, no content.
// It must never tell of anything in a folder that the caller may not list, or follow a link.
// Next: tree_have.ts reads it at the end that sends.

import type { MountFolder } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { typeOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { hashRange } from "./file_hash.ts";
import { type Found, foundIn } from "./folder_listing.ts";
import { openFile } from "./open_file.ts";
import { currentAt } from "./precondition.ts";
import { type FileEvent, partialPrefix, ROOT_PARTIAL, type TreeEvent } from "./tree_event.ts";
import { pathBelow, type Reading, type SourceOptions } from "./tree_source.ts";

/** How a survey is made. */
export interface SurveyOptions extends Pick<SourceOptions, "path" | "accessesOf"> {
  /** Also hash every file. */
  readonly checksum: boolean;
}

const DEPTH_MAX = 200;
const TURN_ENTRIES = 200;

/** Nothing when nothing is there: a copy may make it. */
export async function* surveyTree(
  options: SurveyOptions,
  call: Reading,
): AsyncGenerator<TreeEvent, undefined> {
  const { path } = options;
  const { mounts } = call.services;
  using parent = parentOrNothing(path, call);
  if (!parent) return undefined;
  const survey: Survey = { options, call, entries: 0 };
  if (parent.name === "" || currentAt(parent, call)?.isDirectory()) {
    using folder = mounts.folder(path);
    yield* surveyFolder(survey, { folder, below: "", depth: 0 });
    return undefined;
  }
  const prefix = partialPrefix(parent.name);
  using above = mounts.folder(path.replace(/\/[^/]+\/?$/, "") || "/");
  for (const found of foundIn(above, mounts)) {
    if (found.name === parent.name) yield* surveyFile(survey, { path, below: "", found });
    const state = found.name.startsWith(prefix) ? found.name.slice(prefix.length) : undefined;
    if (state && found.stat.isFile()) yield fileEvent(`${ROOT_PARTIAL}${state}`, found);
  }
  return undefined;
}

interface Survey {
  readonly options: SurveyOptions;
  readonly call: Reading;
  entries: number;
}

interface Level {
  readonly folder: MountFolder;
  readonly below: string;
  readonly depth: number;
}

async function* surveyFolder(survey: Survey, level: Level): AsyncGenerator<TreeEvent, undefined> {
  const { call, options } = survey;
  const { mounts } = call.services;
  const at = level.folder.virtual_path;
  const entries = foundIn(level.folder, mounts);
  for (;;) {
    const next = attempt(call, at, () => entries.next());
    if (next.done) return undefined;
    const { name, stat, isNameable } = next.value;
    if (!isNameable) continue;
    const below = level.below === "" ? name : `${level.below}/${name}`;
    const path = pathBelow(at, name);
    if (typeOf(stat) === "file") yield* surveyFile(survey, { path, below, found: next.value });
    if (typeOf(stat) === "folder" && level.depth < DEPTH_MAX) {
      using folder = quietly(() => {
        const accesses = options.accessesOf(mounts.resourceOf(path), "folder");
        return accesses.every((access) => call.authorize(access)) ? mounts.folder(path) : undefined;
      });
      if (folder) yield* surveyFolder(survey, { folder, below, depth: level.depth + 1 });
    }
    if (++survey.entries % TURN_ENTRIES !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    call.signal.throwIfAborted();
  }
}

interface SurveyedFile {
  readonly path: string;
  readonly below: string;
  readonly found: Found;
}

async function* surveyFile(
  { call, options }: Survey,
  { path, below, found }: SurveyedFile,
): AsyncGenerator<TreeEvent, undefined> {
  if (!found.stat.isFile()) return undefined;
  yield fileEvent(below, found);
  if (!options.checksum) return undefined;
  const { mounts } = call.services;
  const accesses = quietly(() => options.accessesOf(mounts.resourceOf(path), "file"));
  if (!accesses?.every((access) => call.authorize(access))) return undefined;
  using parent = mounts.parent(path, "look");
  using file = quietly(() => openFile(parent, call));
  if (!file) return undefined;
  const hasher = new Bun.CryptoHasher("sha256");
  const end = Number(file.stat.size);
  await hashRange(file.fd, { start: 0, end, hasher, path, call });
  yield { kind: "file_end", sha256: hasher.digest("hex"), size_bytes: end };
  return undefined;
}

function fileEvent(below: string, { stat }: Found): FileEvent {
  const size = Number(stat.size);
  return {
    kind: "file",
    below,
    mode: Number(stat.mode) & 0o777,
    modified_ns: stat.mtimeNs,
    size_bytes: size,
    offset_bytes: size,
    kept: true,
  };
}

function parentOrNothing(path: string, { services }: Reading) {
  try {
    return services.mounts.parent(path, "look");
  } catch (error) {
    if (error instanceof OperonError && error.code === "fs.missing") return undefined;
    throw error;
  }
}

/** What is gone, unreadable or in another mount does not stop a survey: it counts as not there. */
function quietly<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof OperonError) return undefined;
    throw error;
  }
}
