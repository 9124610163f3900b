// The entries of one open folder, described: what the disk has, with the mounts right below it in their places.
// It must never hold a whole large folder in memory, or look a name up through anything but the open folder.
// Next: list.ts streams these; folder_reader.ts reads the names.

import { type BigIntStats, fstatSync, lstatSync } from "node:fs";
import type { MountFolder, Mounts } from "../../contract/services.ts";
import { type Description, describe } from "./describe.ts";
import { entryPath, isUtf8, readNames } from "./folder_reader.ts";

/** An entry as `fs.list` sends it. */
export type ListEntry = Description & { readonly name: string; readonly name_bytes?: string };

/** Up to this many names are sorted; a larger folder streams in the disk's order. */
const SORTED_MAX = 10_000;

/** Something in a folder, as it was when it was looked at. */
export interface Found {
  /** Text of its name; not what it is called where {@link isNameable} is false. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly stat: BigIntStats;
  /** Whether its name is valid UTF-8. */
  readonly isNameable: boolean;
}

/** Entries of a folder; those that vanish while it is read are left out. Throws what the host throws. */
export function* entriesOf(folder: MountFolder, mounts: Mounts): Generator<ListEntry, undefined> {
  for (const { name, bytes, stat, isNameable } of foundIn(folder, mounts)) {
    const described = { name, ...describe(stat) };
    yield isNameable ? described : { ...described, name_bytes: bytes.toString("base64") };
  }
  return undefined;
}

/** The same, not yet described. */
export function* foundIn(folder: MountFolder, mounts: Mounts): Generator<Found, undefined> {
  const points = mountPointsIn(folder, mounts);
  for (const name of namesOf(folder, points)) {
    const found = look(folder, name, points);
    if (found) yield found;
  }
  return undefined;
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
function look(folder: MountFolder, bytes: Buffer, points: MountPoints): Found | undefined {
  const name = bytes.toString();
  const point = points.get(name);
  const isNameable = point !== undefined || isUtf8(bytes, name);
  const stat = point
    ? lookAtPoint(point)
    : lstatSync(entryPath(folder.path, bytes), { bigint: true, throwIfNoEntry: false });
  return stat && { name, bytes, stat, isNameable };
}

/** A mount whose host folder is missing is left out: listing the folder above it must still work. */
function lookAtPoint(open: () => MountFolder): BigIntStats | undefined {
  try {
    using root = open();
    return fstatSync(root.fd, { bigint: true });
  } catch {
    return undefined;
  }
}
