// fs.list and fs.stat: what is there.
// It must never open what it describes, follow a link, or hold a whole large folder in memory.
// Next: folder_reader.ts for how names are read, describe.ts for what is said of each.

import { fstatSync, lstatSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountFolder, Mounts } from "../../contract/services.ts";
import { type Description, describe } from "./describe.ts";
import { attempt } from "./failure.ts";
import { entryPath, isUtf8, readNames } from "./folder_reader.ts";
import type { operations } from "./schema.ts";

type List = typeof operations.list;
type Stat = typeof operations.stat;
type ListEntry = Description & { readonly name: string; readonly name_bytes?: string };

/** Up to this many names are sorted; a larger folder streams in the disk's order. */
const SORTED_MAX = 10_000;
/** Entries described before other calls get a turn: about a millisecond. */
const TURN_ENTRIES = 200;

/** Handler of `fs.stat`. */
export async function stat(
  { path }: z.output<Stat["input"]>,
  call: Call<Stat, "mounts">,
): Promise<z.input<Stat["output"]>> {
  using parent = call.services.mounts.parent(path, "look");
  const found = attempt(call, path, () =>
    parent.name === ""
      ? fstatSync(parent.fd, { bigint: true })
      : lstatSync(parent.path, { bigint: true }),
  );
  return { path: parent.virtual_path, ...describe(found) };
}

/** Handler of `fs.list`. */
export async function* list(
  { path, limit }: z.output<List["input"]>,
  call: Call<List, "mounts">,
): AsyncGenerator<ListEntry, z.input<List["output"]>, undefined> {
  using folder = call.services.mounts.folder(path);
  const points = mountPointsIn(folder, call.services.mounts);
  let entries = 0;
  const names = namesOf(folder, points);
  for (;;) {
    const next = attempt(call, path, () => names.next());
    if (next.done) return { entries, truncated: false };
    if (entries === limit) return { entries, truncated: true };
    const entry = attempt(call, path, () => describeEntry(folder, next.value, points));
    if (!entry) continue;
    yield entry;
    if (++entries % TURN_ENTRIES !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    call.signal.throwIfAborted();
  }
}

/** Names in the folder and mounts right below it; the latter hide what the disk has under the same names. */
function* namesOf(folder: MountFolder, points: MountPoints): Generator<Buffer, undefined> {
  let first: Buffer[] | undefined = [...points.keys()].map((name) => Buffer.from(name));
  for (const batch of readNames(folder)) {
    const names = points.size === 0 ? batch : batch.filter((name) => !points.has(name.toString()));
    if (!first) {
      yield* names;
      continue;
    }
    first.push(...names);
    if (first.length <= SORTED_MAX) continue;
    yield* first;
    first = undefined;
  }
  if (first) yield* first.sort(Buffer.compare);
  return undefined;
}

/** Mounts right below a folder, by name. */
type MountPoints = ReadonlyMap<string, () => MountFolder>;

function mountPointsIn(folder: MountFolder, mounts: Mounts): MountPoints {
  const above = folder.virtual_path === "/" ? "/" : `${folder.virtual_path}/`;
  const points = new Map<string, () => MountFolder>();
  for (const { at } of mounts.mounts) {
    const name = at.startsWith(above) ? at.slice(above.length) : "";
    if (name !== "" && !name.includes("/")) points.set(name, () => mounts.folder(at));
  }
  return points;
}

/** `undefined` for what has gone since its name was read. */
function describeEntry(
  folder: MountFolder,
  bytes: Buffer,
  points: MountPoints,
): ListEntry | undefined {
  const name = bytes.toString();
  const point = points.get(name);
  if (point) return describePoint(name, point);
  const path = entryPath(folder.path, bytes);
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (!found) return undefined;
  const described = { name, ...describe(found) };
  return isUtf8(bytes, name) ? described : { ...described, name_bytes: bytes.toString("base64") };
}

function describePoint(name: string, open: () => MountFolder): ListEntry | undefined {
  try {
    using root = open();
    return { name, ...describe(fstatSync(root.fd, { bigint: true })) };
  } catch {
    // A mount whose host folder is missing: listing the folder above it must still work.
    return undefined;
  }
}
