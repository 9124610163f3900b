// fs.rm: removes a name, and with `recursive` everything below it.
// It must never remove what a link points to, or anything in a folder that holds an entry policy protects.
// Next: tree.ts for how folders are walked.

import { type BigIntStats, rmdirSync, unlinkSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountParent } from "../../contract/services.ts";
import { attempt } from "./failure.ts";
import { lockFolders } from "./folder_lock.ts";
import { assertNotRoot, assertPrecondition, currentAt } from "./precondition.ts";
import type { operations } from "./schema.ts";
import {
  assertNoMountBelow,
  assertTreeAllowed,
  resourceBelow,
  type TreeEntry,
  walkTree,
} from "./tree.ts";

type Rm = typeof operations.rm;

/** Some disks skip names while entries are being removed, and others may add some: look again, but not for ever. */
const PASSES_MAX = 8;

/** Handler of `fs.rm`. */
export async function rm(
  { path, recursive, expected_version }: z.output<Rm["input"]>,
  call: Call<Rm, "mounts">,
): Promise<z.input<Rm["output"]>> {
  using parent = call.services.mounts.parent(path, "change");
  assertNotRoot(parent, call);
  assertNoMountBelow(parent, call);
  const found = currentAt(parent, call);
  if (!found) throw call.fail("missing", { path });
  assertPrecondition(found, { expected_version }, { path, call });
  // What a folder holds changes its version: only the check before the first removal can mean anything.
  const below = recursive && found.isDirectory() ? await removeBelow(parent, call) : 0;
  using _lock = await lockFolders([parent], call);
  call.signal.throwIfAborted();
  const current = currentAt(parent, call);
  if (!current) throw call.fail("missing", { path });
  if (below === 0) assertPrecondition(current, { expected_version }, { path, call });
  attempt(call, path, () => removeName(parent, current));
  return { removed: below + 1 };
}

function removeName(parent: MountParent, current: BigIntStats): void {
  if (current.isDirectory()) rmdirSync(parent.path);
  else unlinkSync(parent.path);
}

/** Asks policy about every entry before the first one goes, and again about each as it goes. */
async function removeBelow(parent: MountParent, call: Call<Rm, "mounts">): Promise<number> {
  const top = call.services.mounts.resourceOf(parent.virtual_path);
  const accessesOf = (below: string) => [{ resource: resourceBelow(top, below) }];
  await assertTreeAllowed(parent, { call, accessesOf });
  let removed = 0;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const before = removed;
    for await (const entry of walkTree(parent, call)) {
      const path = `${parent.virtual_path}/${entry.below}`;
      if (!accessesOf(entry.below).every((access) => call.authorize(access))) {
        throw call.fail("entry_denied", { path, removed });
      }
      if (attempt(call, path, () => removeEntry(entry))) removed++;
    }
    if (removed === before) break;
  }
  return removed;
}

/** False for a folder that is not empty yet and for what somebody else removed. */
function removeEntry({ path, isFolder }: TreeEntry): boolean {
  try {
    if (isFolder) rmdirSync(path);
    else unlinkSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || (isFolder && code === "ENOTEMPTY")) return false;
    throw error;
  }
}
