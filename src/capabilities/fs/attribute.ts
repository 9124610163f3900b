// fs.hash, fs.chmod and fs.touch: a file's digest, its permission bits, its time.
// It must never follow a link, open what it only relabels, or set bits that run a file as its owner.
// Next: open_file.ts for what may be read, pinned_object.ts for what is relabelled.

import type { z } from "zod";
import { systemClock } from "../../clock.ts";
import type { Call } from "../../contract/capability.ts";
import type { MountParent } from "../../contract/services.ts";
import type { attributeOperations } from "./attribute_operations.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { hashRange } from "./file_hash.ts";
import { lockFolders } from "./folder_lock.ts";
import { openFile } from "./open_file.ts";
import { type PinnedObject, pinObject } from "./pinned_object.ts";
import { assertNotRoot, assertPrecondition, currentAt } from "./precondition.ts";
import { StagedFile } from "./staged_file.ts";

type Operations = typeof attributeOperations;
type Hash = Operations["hash"];
type Chmod = Operations["chmod"];
type Touch = Operations["touch"];

const NS_PER_MS = 1_000_000n;

/** Handler of `fs.hash`. */
export async function hash(
  { path, length_bytes }: z.output<Hash["input"]>,
  call: Call<Hash, "mounts">,
): Promise<z.input<Hash["output"]>> {
  using parent = call.services.mounts.parent(path, "look");
  using file = openFile(parent, call);
  const sizeBytes = Number(file.stat.size);
  const hasher = new Bun.CryptoHasher("sha256");
  // Files the kernel makes up have size 0 and content all the same.
  const end = length_bytes ?? (sizeBytes === 0 ? Number.MAX_SAFE_INTEGER : sizeBytes);
  const hashed = await hashRange(file.fd, { start: 0, end, hasher, path, call });
  return {
    sha256: hasher.digest("hex"),
    hashed_bytes: hashed,
    size_bytes: sizeBytes,
    version: versionOf(file.stat),
  };
}

/** Handler of `fs.chmod`. */
export async function chmod(
  { path, mode, expected_version }: z.output<Chmod["input"]>,
  call: Call<Chmod, "mounts">,
): Promise<z.input<Chmod["output"]>> {
  using parent = call.services.mounts.parent(path, "change");
  assertNotRoot(parent, call);
  using _lock = await lockFolders([parent], call);
  using object = pinObject(parent, call);
  assertPrecondition(object.stat, { expected_version }, { path, call });
  attempt(call, path, () => object.setMode(Number.parseInt(mode, 8)));
  return {
    version: versionOf(attempt(call, path, () => object.look())),
    mode: `${mode}`.padStart(4, "0"),
  };
}

/** Handler of `fs.touch`. */
export async function touch(
  { path, modified, create }: z.output<Touch["input"]>,
  call: Call<Touch, "mounts">,
): Promise<z.input<Touch["output"]>> {
  using parent = call.services.mounts.parent(path, "change");
  assertNotRoot(parent, call);
  const modifiedNs =
    BigInt(modified === undefined ? systemClock.nowMs() : Date.parse(modified)) * NS_PER_MS;
  const created = create && currentAt(parent, call) === undefined;
  if (created) await makeEmpty(parent, call);
  using object = pinObject(parent, call);
  if (!created || modified !== undefined) touchObject(object, { path, modifiedNs, call });
  return { created, version: versionOf(attempt(call, path, () => object.look())) };
}

interface Touching {
  readonly path: string;
  readonly modifiedNs: bigint;
  readonly call: Call<Touch, "mounts">;
}

function touchObject(object: PinnedObject, { path, modifiedNs, call }: Touching): void {
  attempt(call, path, () => object.setModified(modifiedNs));
}

async function makeEmpty(parent: MountParent, call: Call<Touch, "mounts">): Promise<void> {
  using staged = new StagedFile(parent, call);
  await staged.commit({ require_absent: true }, call);
}
