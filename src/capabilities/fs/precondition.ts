// What must be true of a path before it is changed: nothing is there, or a certain version is.
// It must never be checked outside folder_lock.ts's lock, or with a wait between check and change.
// Next: staged_file.ts, rename.ts and rm.ts check these.

import { type BigIntStats, fstatSync, lstatSync } from "node:fs";
import type { Call } from "../../contract/capability.ts";
import type { AnyOperation } from "../../contract/operation.ts";
import type { MountParent } from "../../contract/services.ts";
import { versionOf } from "./describe.ts";
import { attempt, type Failing } from "./failure.ts";

/** The state a target must have. */
export interface Precondition {
  readonly expected_version?: string | undefined;
  readonly require_absent?: boolean | undefined;
}

/** What is at the path now, links not followed; `undefined` when nothing is. */
export function currentAt(parent: MountParent, call: Failing): BigIntStats | undefined {
  return attempt(call, parent.virtual_path, () =>
    lstatSync(parent.path, { bigint: true, throwIfNoEntry: false }),
  );
}

/** Refuses when the target is not in the required state. @throws `fs.exists`, `fs.version_mismatch` */
export function assertPrecondition(
  current: BigIntStats | undefined,
  { expected_version, require_absent }: Precondition,
  { path, call }: { readonly path: string; readonly call: Failing },
): void {
  if (require_absent && current) throw call.fail("exists", { path });
  if (expected_version === undefined) return;
  const actual = current ? versionOf(current) : undefined;
  if (actual === expected_version) return;
  throw call.fail("version_mismatch", { path, expected: expected_version, actual: actual ?? null });
}

/**
 * An upload may take minutes: its folder must still be what the path says, or the file would land where policy was not
 * asked about. @throws `fs.moved`
 */
export function assertInPlace(
  parent: MountParent,
  call: Failing & Pick<Call<AnyOperation, "mounts">, "services">,
): void {
  const path = parent.virtual_path;
  using now = call.services.mounts.parent(path, "change");
  const [was, is] = attempt(call, path, () => [
    fstatSync(parent.fd, { bigint: true }),
    fstatSync(now.fd, { bigint: true }),
  ]);
  if (was?.ino !== is?.ino || was?.dev !== is?.dev) throw call.fail("moved", { path });
}

/** The path as a root of a mount has no name of its own. @throws `fs.mount_root` */
export function assertNotRoot(parent: MountParent, call: Failing): void {
  if (parent.name === "") throw call.fail("mount_root", { path: parent.virtual_path });
}
