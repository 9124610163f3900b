// fs.watch: what changes in a folder and, when asked, in those below it, as it happens.
// It must never tell of a path the caller may not list, nor lose events without saying so.
// Next: inotify.ts for where events come from.

import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountFolder } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { accessesOfListing } from "./access.ts";
import { failureOf } from "./failure.ts";
import { foundIn } from "./folder_listing.ts";
import { isUtf8 } from "./folder_reader.ts";
import { Inotify, NOTICE, type Notice } from "./inotify.ts";
import type { searchOperations } from "./search_operations.ts";
import { turn } from "./search_walk.ts";
import { pathBelow } from "./tree_source.ts";

type Watch = (typeof searchOperations)["watch"];
type Event = z.input<Watch["sends"]["item"]>;

/** Folders one call may watch: the kernel counts them against the node's user. */
const FOLDERS_MAX = 20_000;
const DEPTH_MAX = 200;
const TURN_FOLDERS = 100;

/** Handler of `fs.watch`. */
export async function* watch(
  { path, recursive }: z.output<Watch["input"]>,
  call: Call<Watch, "mounts">,
): AsyncGenerator<Event, z.input<Watch["output"]>, undefined> {
  using queue = openQueue(call);
  const folders = new WatchedFolders(queue, recursive, call);
  const stop = () => queue[Symbol.dispose]();
  call.signal.addEventListener("abort", stop, { once: true });
  try {
    const root = await folders.addRoot(path);
    yield { event: "ready", path: root, type: "folder" };
    for await (const notices of queue.batches()) {
      for (const notice of notices) {
        for await (const event of folders.eventsOf(notice)) if (isVisible(event, call)) yield event;
      }
      if (folders.isRootGone) return { reason: "gone" };
    }
    call.signal.throwIfAborted();
    return { reason: "gone" };
  } finally {
    call.signal.removeEventListener("abort", stop);
  }
}

function openQueue(call: Call<Watch, "mounts">): Inotify {
  let queue: Inotify | undefined;
  try {
    queue = Inotify.open();
  } catch (error) {
    throw call.fail("watch_limit", {}, error);
  }
  if (!queue) throw call.fail("watch_unsupported");
  return queue;
}

function isVisible({ event, path }: Event, call: Call<Watch, "mounts">): boolean {
  if (event === "overflow" || event === "ready") return true;
  try {
    const accesses = accessesOfListing("fs.watch")(call.services.mounts.resourceOf(path));
    return accesses.every((access) => call.authorize(access));
  } catch {
    // A name no path can hold: nothing could be asked about it.
    return false;
  }
}

/** The folders under watch, by the kernel's numbers. */
class WatchedFolders {
  isRootGone = false;
  readonly #queue: Inotify;
  readonly #recursive: boolean;
  readonly #call: Call<Watch, "mounts">;
  readonly #paths = new Map<number, string>();
  #root = -1;
  #rootPath = "/";
  #added = 0;

  constructor(queue: Inotify, recursive: boolean, call: Call<Watch, "mounts">) {
    this.#queue = queue;
    this.#recursive = recursive;
    this.#call = call;
  }

  async addRoot(path: string): Promise<string> {
    using folder = this.#call.services.mounts.folder(path);
    this.#rootPath = folder.virtual_path;
    this.#root = this.#watch(folder);
    for await (const _event of this.#addBelow(folder, 1)) {
      // What is there when watching begins is no news.
    }
    return folder.virtual_path;
  }

  async *eventsOf(notice: Notice): AsyncGenerator<Event, undefined> {
    if ((notice.bits & NOTICE.overflow) !== 0) {
      yield { event: "overflow", path: this.#rootPath };
      // Folders made meanwhile are not watched yet.
      using folder = this.#open(this.#rootPath);
      if (folder && this.#recursive) for await (const _event of this.#addBelow(folder, 1));
      return undefined;
    }
    const above = this.#paths.get(notice.watch);
    if (above === undefined) return undefined;
    if (notice.name.length === 0) return this.#selfChanged(notice);
    const name = notice.name.toString();
    if (!isUtf8(notice.name, name)) return undefined;
    yield* this.#entryChanged(notice.bits, pathBelow(above, name));
    return undefined;
  }

  #selfChanged({ watch, bits }: Notice): undefined {
    const isGone = (bits & (NOTICE.folder_removed | NOTICE.folder_moved | NOTICE.ended)) !== 0;
    if (!isGone) return undefined;
    if (watch === this.#root) this.isRootGone = true;
    // A folder that moved was dropped, and found again, by the events of those that hold it.
    if ((bits & NOTICE.folder_moved) === 0) this.#paths.delete(watch);
    return undefined;
  }

  async *#entryChanged(bits: number, path: string): AsyncGenerator<Event, undefined> {
    const type = (bits & NOTICE.is_folder) === 0 ? "file" : "folder";
    if ((bits & (NOTICE.removed | NOTICE.moved_from)) !== 0) {
      if (type === "folder") this.#drop(path);
      yield { event: "removed", path, type };
    } else if ((bits & (NOTICE.created | NOTICE.moved_to)) !== 0) {
      yield { event: "created", path, type };
      if (type === "file" || !this.#recursive) return undefined;
      using folder = this.#open(path);
      if (!folder) return undefined;
      this.#watch(folder);
      // What was put there before the folder was watched would be missed.
      yield* this.#addBelow(folder, 1);
    } else if ((bits & (NOTICE.written | NOTICE.attributes)) !== 0) {
      yield { event: "changed", path, type };
    }
    return undefined;
  }

  /** Watches the folders below, and yields what they hold as created. */
  async *#addBelow(folder: MountFolder, depth: number): AsyncGenerator<Event, undefined> {
    if (!this.#recursive) return undefined;
    for (const { name, stat, isNameable } of foundIn(folder, this.#call.services.mounts)) {
      if (!isNameable) continue;
      const path = pathBelow(folder.virtual_path, name);
      yield { event: "created", path, type: stat.isDirectory() ? "folder" : "file" };
      if (!stat.isDirectory() || depth >= DEPTH_MAX) continue;
      using inner = this.#open(path);
      if (!inner) continue;
      this.#watch(inner);
      if (++this.#added % TURN_FOLDERS === 0) await turn(this.#call.signal);
      yield* this.#addBelow(inner, depth + 1);
    }
    return undefined;
  }

  /** A folder the caller may list and watch, under its own path. */
  #open(path: string): MountFolder | undefined {
    const { mounts } = this.#call.services;
    try {
      const accesses = accessesOfListing("fs.watch")(mounts.resourceOf(path));
      const isAllowed = accesses.every((access) => this.#call.authorize(access));
      return isAllowed ? mounts.folder(path) : undefined;
    } catch (error) {
      if (error instanceof OperonError) return undefined;
      throw error;
    }
  }

  #watch(folder: MountFolder): number {
    const path = folder.virtual_path;
    if (this.#paths.size >= FOLDERS_MAX) throw this.#call.fail("watch_limit", { path });
    try {
      const watch = this.#queue.add(folder.fd);
      this.#paths.set(watch, path);
      return watch;
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === "ENOSPC";
      throw isFull
        ? this.#call.fail("watch_limit", { path }, error)
        : failureOf(this.#call, path, error);
    }
  }

  #drop(path: string): void {
    for (const [watch, watched] of this.#paths) {
      if (watched !== path && !watched.startsWith(`${path}/`)) continue;
      this.#paths.delete(watch);
      this.#queue.remove(watch);
    }
  }
}
