// Reads a tree as events: every folder, file and link below a path that the caller may read.
// It must never follow a link, or read what policy does not allow under the path it was found at.
// Next: tree_event.ts for the events; tree_transfer.ts sends them, copy.ts hands them to a sink.

import { fstatSync, readlinkSync } from "node:fs";
import type { Call } from "../../contract/capability.ts";
import type { Access, AnyOperation } from "../../contract/operation.ts";
import type { MountFolder, MountParent } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { typeOf } from "./describe.ts";
import { attempt, type Failing } from "./failure.ts";
import { type Found, foundIn } from "./folder_listing.ts";
import { openFile } from "./open_file.ts";
import { currentAt } from "./precondition.ts";
import { isIncomplete, type SkipReason, staysInside, type TreeEvent } from "./tree_event.ts";
import { type Have, type ReadFile, readContent } from "./tree_file.ts";

/** What reading a tree needs of a call. */
export type Reading = Pick<Call<AnyOperation, "mounts">, "signal" | "services" | "authorize"> &
  Failing;

/** How a tree is read. */
export interface SourceOptions {
  readonly path: string;
  readonly recursive: boolean;
  /** Leave out what policy denies, and say so, instead of failing. */
  readonly skipDenied: boolean;
  /** Hash what is read: where bytes leave this process. */
  readonly hashed: boolean;
  /** What the other end has already. */
  readonly have: Have | undefined;
  /** What policy must allow for a folder that is entered, and for a file or link that is read. */
  readonly accessesOf: (resource: string, kind: "folder" | "file") => readonly Access[];
}

/** Deepest nesting (folders): each level holds a descriptor. */
const DEPTH_MAX = 200;
/** Entries before other calls get a turn: about two milliseconds. */
const TURN_ENTRIES = 50;

/** @throws `fs.missing`, `fs.symlink`, `fs.special_file`, `fs.entry_denied`; `fs.not_a_file` for a folder without `recursive` */
export async function* readTree(
  options: SourceOptions,
  call: Reading,
): AsyncGenerator<TreeEvent, undefined> {
  const { path } = options;
  const { mounts } = call.services;
  const source: Source = { options, call, entries: 0 };
  using parent = mounts.parent(path, "look");
  if (!assertReadable(parent, options.recursive, call)) {
    using file = openFile(parent, call);
    yield* readContent({ ...contentOf(source, parent, ""), file });
    return undefined;
  }
  using folder = mounts.folder(path);
  yield* readFolder(source, { folder, below: "", depth: 0 });
  return undefined;
}

/** Whether the root is a folder. @throws `fs.missing`, `fs.not_a_file` for a folder without `recursive` */
export function assertReadable(parent: MountParent, recursive: boolean, call: Failing): boolean {
  const path = parent.virtual_path;
  const found = parent.name === "" ? undefined : currentAt(parent, call);
  if (parent.name !== "" && !found) throw call.fail("missing", { path });
  const isFolder = parent.name === "" || found?.isDirectory() === true;
  if (isFolder && !recursive) throw call.fail("not_a_file", { path });
  return isFolder;
}

interface Source {
  readonly options: SourceOptions;
  readonly call: Reading;
  entries: number;
}

interface Level {
  readonly folder: MountFolder;
  readonly below: string;
  readonly depth: number;
}

async function* readFolder(source: Source, level: Level): AsyncGenerator<TreeEvent, undefined> {
  const { folder, below } = level;
  const { call } = source;
  const path = folder.virtual_path;
  const stat = attempt(call, path, () => fstatSync(folder.fd, { bigint: true }));
  yield { kind: "folder", below, mode: Number(stat.mode) & 0o777, modified_ns: stat.mtimeNs };
  const entries = foundIn(folder, call.services.mounts);
  for (;;) {
    const next = attempt(call, path, () => entries.next());
    if (next.done) break;
    if (isIncomplete(next.value.name)) continue;
    yield* readEntry(source, level, next.value);
    if (++source.entries % TURN_ENTRIES !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    call.signal.throwIfAborted();
  }
  yield { kind: "folder_end" };
  return undefined;
}

async function* readEntry(
  source: Source,
  level: Level,
  found: Found,
): AsyncGenerator<TreeEvent, undefined> {
  const { name, stat } = found;
  const below = level.below === "" ? name : `${level.below}/${name}`;
  const path = pathBelow(level.folder.virtual_path, name);
  const type = typeOf(stat);
  const reason = found.isNameable ? refusalOf(source, path, type) : "name";
  if (reason) {
    yield { kind: "skipped", below, reason };
    return undefined;
  }
  const parent = entryIn(level.folder, name, path);
  if (type === "folder") return yield* enterFolder(source, { ...level, below }, path);
  if (type === "file") return yield* readFile(source, parent, below);
  let target: string | undefined;
  try {
    target = readlinkSync(parent.path);
  } catch {
    // Gone, or no link any more.
  }
  if (target !== undefined && staysInside(below, target)) {
    yield { kind: "link", below, target, modified_ns: stat.mtimeNs };
  } else yield { kind: "skipped", below, reason: "link" };
  return undefined;
}

/** Why an entry is left out, if it is. @throws `fs.entry_denied` */
function refusalOf(
  { call, options }: Source,
  path: string,
  type: ReturnType<typeof typeOf>,
): SkipReason | undefined {
  if (type === "special") return "special";
  let resource: string;
  try {
    resource = call.services.mounts.resourceOf(path);
  } catch {
    return "name";
  }
  const accesses = options.accessesOf(resource, type === "folder" ? "folder" : "file");
  if (accesses.every((access) => call.authorize(access))) return undefined;
  if (options.skipDenied) return "denied";
  throw call.fail("entry_denied", { path });
}

async function* enterFolder(
  source: Source,
  { below, depth }: Level,
  path: string,
): AsyncGenerator<TreeEvent, undefined> {
  const { mounts } = source.call.services;
  const opened = depth < DEPTH_MAX ? openOrReason(() => mounts.folder(path)) : "depth";
  if (typeof opened === "string") {
    yield { kind: "skipped", below, reason: opened };
    return undefined;
  }
  using folder = opened;
  yield* readFolder(source, { folder, below, depth: depth + 1 });
  return undefined;
}

async function* readFile(
  source: Source,
  parent: MountParent,
  below: string,
): AsyncGenerator<TreeEvent, undefined> {
  const opened = openOrReason(() => openFile(parent, source.call));
  if (typeof opened === "string") {
    yield { kind: "skipped", below, reason: opened };
    return undefined;
  }
  using file = opened;
  yield* readContent({ ...contentOf(source, parent, below), file });
  return undefined;
}

function contentOf({ call, options }: Source, parent: MountParent, below: string) {
  const { have, hashed } = options;
  return { path: parent.virtual_path, below, name: parent.name, call, have, hashed } satisfies Omit<
    ReadFile,
    "file"
  >;
}

/** What cannot be opened, in a tree that others work in, is left out and said. */
function openOrReason<Opened>(open: () => Opened): Opened | SkipReason {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof OperonError) || error.code === "fs.busy") throw error;
    return error.code === "fs.mount_boundary" ? "mount" : "unreadable";
  }
}

/** An entry of a folder that is pinned anyway; the folder stays whose it is. */
function entryIn(folder: MountFolder, name: string, path: string): MountParent {
  return {
    fd: folder.fd,
    name,
    path: `${folder.path}/${name}`,
    virtual_path: path,
    [Symbol.dispose]() {},
  };
}

/** The virtual path of an entry. */
export function pathBelow(folder: string, below: string): string {
  if (below === "") return folder;
  return folder === "/" ? `/${below}` : `${folder}/${below}`;
}
