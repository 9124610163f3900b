// fs.rename: moves a name within a mount, in one step.
// It must never move what a link points to, or carry an entry to a place where policy protects it less.
// Next: access.ts for what a move asks for, tree.ts for how a folder's entries are asked about.

import { type BigIntStats, lstatSync, renameSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountParent } from "../../contract/services.ts";
import { accessesOfMove } from "./access.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { lockFolders } from "./folder_lock.ts";
import { native } from "./native.ts";
import { assertNotRoot, assertPrecondition, currentAt } from "./precondition.ts";
import type { operations } from "./schema.ts";
import { assertNoMountBelow, assertTreeAllowed, resourceBelow } from "./tree.ts";

type Rename = typeof operations.rename;

/** Handler of `fs.rename`. */
export async function rename(
  { path, to, expected_version, require_absent }: z.output<Rename["input"]>,
  call: Call<Rename, "mounts">,
): Promise<z.input<Rename["output"]>> {
  const { mounts } = call.services;
  if (mounts.locate(path).mount.name !== mounts.locate(to).mount.name) {
    throw call.fail("cross_mount", { path, to });
  }
  using source = mounts.parent(path, "change");
  using target = mounts.parent(to, "change");
  for (const parent of [source, target]) {
    assertNotRoot(parent, call);
    assertNoMountBelow(parent, call);
  }
  if (target.virtual_path.startsWith(`${source.virtual_path}/`)) {
    throw call.fail("into_itself", { path, to });
  }
  if (currentAt(source, call)?.isDirectory()) await assertMovable(source, target, call);
  using _lock = await lockFolders([source, target], call);
  call.signal.throwIfAborted();
  const current = currentAt(source, call);
  if (!current) throw call.fail("missing", { path });
  assertPrecondition(current, { expected_version }, { path, call });
  assertReplaceable(current, currentAt(target, call), { to, call });
  return attempt(call, to, () => {
    if (require_absent) native().renameNoReplace(source, target);
    else renameSync(source.path, target.path);
    return { version: versionOf(lstatSync(target.path, { bigint: true })) };
  });
}

/** A move gives every entry of the folder another resource: each must be allowed both where it is and where it goes. */
async function assertMovable(
  source: MountParent,
  target: MountParent,
  call: Call<Rename, "mounts">,
): Promise<void> {
  const { mounts } = call.services;
  const from = mounts.resourceOf(source.virtual_path);
  const to = mounts.resourceOf(target.virtual_path);
  await assertTreeAllowed(source, {
    call,
    accessesOf: (below) => accessesOfMove(resourceBelow(from, below), resourceBelow(to, below)),
  });
}

function assertReplaceable(
  current: BigIntStats,
  replaced: BigIntStats | undefined,
  { to, call }: { readonly to: string; readonly call: Call<Rename, "mounts"> },
): void {
  if (!replaced) return;
  if (replaced.isDirectory() && !current.isDirectory()) throw call.fail("not_a_file", { path: to });
  if (current.isDirectory() && !replaced.isDirectory()) throw call.fail("exists", { path: to });
}
