// fs.list and fs.stat: what is there.
// It must never open what it describes, follow a link, or enter a folder that policy would not let the caller list.
// Next: folder_listing.ts for the entries of one folder, describe.ts for what is said of each.

import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountFolder } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { describe } from "./describe.ts";
import { attempt } from "./failure.ts";
import { entriesOf, type ListEntry } from "./folder_listing.ts";
import { stateOf } from "./object_state.ts";
import type { operations } from "./schema.ts";

type List = typeof operations.list;
type Stat = typeof operations.stat;

/** Entries described before other calls get a turn: about a millisecond. */
const TURN_ENTRIES = 200;
/** Deepest nesting a recursive list enters: each level holds a descriptor. */
const DEPTH_MAX = 200;

/** Handler of `fs.stat`. */
export async function stat(
  { path }: z.output<Stat["input"]>,
  call: Call<Stat, "mounts">,
): Promise<z.input<Stat["output"]>> {
  using parent = call.services.mounts.parent(path, "look");
  const found = attempt(call, path, () => stateOf(parent));
  return { path: parent.virtual_path, ...describe(found) };
}

/** Handler of `fs.list`. */
export async function* list(
  { path, limit, recursive }: z.output<List["input"]>,
  call: Call<List, "mounts">,
): AsyncGenerator<ListEntry, z.input<List["output"]>, undefined> {
  using folder = call.services.mounts.folder(path);
  const listing: Listing = { call, recursive, skipped: 0 };
  let entries = 0;
  for (const entry of listFolder(listing, { folder, prefix: "", depth: 0 })) {
    if (entries === limit) return { entries, truncated: true, skipped: listing.skipped };
    yield entry;
    if (++entries % TURN_ENTRIES !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    call.signal.throwIfAborted();
  }
  return { entries, truncated: false, skipped: listing.skipped };
}

interface Listing {
  readonly call: Call<List, "mounts">;
  readonly recursive: boolean;
  /** Folders that were not entered. */
  skipped: number;
}

interface Level {
  readonly folder: MountFolder;
  /** What stands before the names: `""` or `a/b/`. */
  readonly prefix: string;
  readonly depth: number;
}

function* listFolder(listing: Listing, level: Level): Generator<ListEntry, undefined> {
  const { folder, prefix, depth } = level;
  const { call } = listing;
  const entries = entriesOf(folder, call.services.mounts);
  for (;;) {
    const next = attempt(call, folder.virtual_path, () => entries.next());
    if (next.done) return undefined;
    const entry = next.value;
    yield prefix === "" ? entry : { ...entry, name: prefix + entry.name };
    if (!listing.recursive || entry.type !== "folder") continue;
    using inner = depth < DEPTH_MAX ? openInner(folder, entry, call) : undefined;
    if (!inner) listing.skipped++;
    else {
      const below = { folder: inner, prefix: `${prefix}${entry.name}/`, depth: depth + 1 };
      yield* listFolder(listing, below);
    }
  }
}

/** A folder in a folder, by its own virtual path: mounts, links and policy count as if it had been asked for. */
function openInner(
  folder: MountFolder,
  { name, name_bytes }: ListEntry,
  call: Call<List, "mounts">,
): MountFolder | undefined {
  const path = folder.virtual_path === "/" ? `/${name}` : `${folder.virtual_path}/${name}`;
  if (name_bytes !== undefined) return undefined;
  try {
    const resource = call.services.mounts.resourceOf(path);
    return call.authorize({ resource }) ? call.services.mounts.folder(path) : undefined;
  } catch (error) {
    // Gone, unreadable, part of another mount, or not nameable as a path: it stays an entry that was not entered.
    if (error instanceof OperonError) return undefined;
    throw error;
  }
}
