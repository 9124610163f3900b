// Makes one symbolic link of a tree, if it stays in the tree.
// It must never make a link that leads out of what is copied, or follow one.
// Next: tree_event.ts says what stays inside; tree_sink.ts calls this.

import { randomBytes } from "node:crypto";
import { lstatSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { attempt } from "./failure.ts";
import { lockFolders } from "./folder_lock.ts";
import { native } from "./native.ts";
import { assertInPlace } from "./precondition.ts";
import type { Committing } from "./staged_file.ts";
import { type LinkEvent, staysInside } from "./tree_event.ts";

/** Makes the link at `path`, in place of another link or a file; `link` when it would lead out. @throws `fs.exists` */
export async function makeLink(
  path: string,
  { below, target, modified_ns }: LinkEvent,
  call: Committing,
): Promise<"made" | "kept" | "link"> {
  if (below === "" || !staysInside(below, target)) return "link";
  using parent = call.services.mounts.parent(path, "change");
  using _lock = await lockFolders([parent], call);
  assertInPlace(parent, call);
  return attempt(call, path, () => {
    const current = lstatSync(parent.path, { throwIfNoEntry: false });
    if (current?.isDirectory()) throw call.fail("exists", { path });
    if (current?.isSymbolicLink() && readlinkSync(parent.path) === target) return "kept";
    if (!current) symlinkSync(target, parent.path);
    else replaceWithLink(parent.path, target);
    native().setModified(parent.path, modified_ns);
    return "made";
  });
}

function replaceWithLink(path: string, target: string): void {
  const temporary = `${dirname(path)}/.operon-${randomBytes(16).toString("hex")}.tmp`;
  symlinkSync(target, temporary);
  try {
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
}
