// fs.write and fs.truncate: content goes in whole or not at all.
// It must never touch the old file before the new one is complete.
// Next: staged_file.ts for how that is done.

import { constants, fchmodSync, fstatSync, ftruncateSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import { copyExisting } from "./append.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { lockFolders } from "./folder_lock.ts";
import { makeFolders } from "./mkdir.ts";
import { openFile } from "./open_file.ts";
import { assertNotRoot, assertPrecondition, currentAt } from "./precondition.ts";
import type { operations } from "./schema.ts";
import { passTime, StagedFile } from "./staged_file.ts";

type Write = typeof operations.write;
type Truncate = typeof operations.truncate;

/** Handler of `fs.write`. */
export async function write(
  input: z.output<Write["input"]>,
  call: Call<Write, "mounts">,
): Promise<z.input<Write["output"]>> {
  const { path } = input;
  if (input.create_parents) makeFolders(parentOf(path), call, "fs.mkdir");
  using parent = call.services.mounts.parent(path, "change");
  if (parent.name === "") throw call.fail("not_a_file", { path });
  // Refuse what cannot succeed before a long upload; the same is checked again when it is complete.
  assertPrecondition(currentAt(parent, call), input, { path, call });
  using staged = new StagedFile(parent, call);
  const guard = input.append ? await copyExisting(parent, staged, call) : input;
  for await (const bytes of call.incoming) {
    call.signal.throwIfAborted();
    staged.write(bytes);
  }
  const mode = input.mode === undefined ? undefined : Number.parseInt(input.mode, 8);
  const { stat, created } = await staged.commit({ ...input, ...guard, mode }, call);
  return { size_bytes: Number(stat.size), version: versionOf(stat), created };
}

/** Handler of `fs.truncate`. */
export async function truncate(
  { path, size_bytes, expected_version }: z.output<Truncate["input"]>,
  call: Call<Truncate, "mounts">,
): Promise<z.input<Truncate["output"]>> {
  using parent = call.services.mounts.parent(path, "change");
  assertNotRoot(parent, call);
  using _lock = await lockFolders([parent], call);
  using file = openFile(parent, call, constants.O_RDWR);
  assertPrecondition(file.stat, { expected_version }, { path, call });
  return attempt(call, path, () => {
    const bits = Number(file.stat.mode) & 0o7777;
    fchmodSync(file.fd, bits);
    passTime(file.fd, { bits, after: file.stat.ctimeNs });
    ftruncateSync(file.fd, size_bytes);
    return { size_bytes, version: versionOf(fstatSync(file.fd, { bigint: true })) };
  });
}

/** The folder of a canonical path; the path itself may still be spelled with one trailing slash. */
function parentOf(path: string): string {
  const trimmed = path.endsWith("/") ? path.slice(0, -1) : path;
  return trimmed.slice(0, trimmed.lastIndexOf("/")) || "/";
}
