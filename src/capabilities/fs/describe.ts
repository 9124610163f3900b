// What a file looks like to a caller: type, size, time, mode, version.
// It must never tell two states of a file by less than the kernel does: the version holds its change time.
// Next: fields.ts for the schemas.

import type { BigIntStats } from "node:fs";

/** Description of an object, without its name. */
export interface Description {
  readonly type: "file" | "folder" | "symlink" | "special";
  readonly size_bytes: number;
  readonly modified: string;
  readonly mode: string;
  readonly version: string;
}

/** What of an object's status is told. */
export type ObjectState = Pick<
  BigIntStats,
  | "mode"
  | "ino"
  | "size"
  | "ctimeNs"
  | "mtimeNs"
  | "mtimeMs"
  | "isFile"
  | "isDirectory"
  | "isSymbolicLink"
>;

/** Describes what `lstat` found. */
export function describe(stat: ObjectState): Description {
  return {
    type: typeOf(stat),
    size_bytes: Number(stat.size),
    modified: new Date(Number(stat.mtimeMs)).toISOString(),
    mode: (Number(stat.mode) & 0o7777).toString(8).padStart(4, "0"),
    version: versionOf(stat),
  };
}

/**
 * The state of a file as an opaque word. Inode: the file was replaced. Change time: anything about it changed, and no
 * program can set it back. Modification time and size: for disks with coarse change times.
 */
export function versionOf(stat: Pick<ObjectState, "ino" | "ctimeNs" | "mtimeNs" | "size">): string {
  const parts = [stat.ino, stat.ctimeNs, stat.mtimeNs, stat.size];
  return parts.map((part) => part.toString(36)).join("-");
}

/** What kind of thing it is. */
export function typeOf(
  stat: Pick<ObjectState, "isFile" | "isDirectory" | "isSymbolicLink">,
): Description["type"] {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "folder";
  return stat.isSymbolicLink() ? "symlink" : "special";
}
