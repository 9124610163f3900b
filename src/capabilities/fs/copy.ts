// fs.copy within a node: a file inside the kernel where it can, a folder entry by entry.
// It must never show a half-made copy or follow a link at either end.
// Next: tree_source.ts and tree_sink.ts for folders, staged_file.ts for how a copy appears.

import { readSync, writeSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { MountParent } from "../../contract/services.ts";
import { accessesOfTreeRead, accessesOfTreeWrite } from "./access.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { native } from "./native.ts";
import { openFile } from "./open_file.ts";
import { assertPrecondition, currentAt } from "./precondition.ts";
import { StagedFile } from "./staged_file.ts";
import { haveBelow } from "./tree_have.ts";
import type { treeOperations } from "./tree_operations.ts";
import type { CopyReport } from "./tree_report.ts";
import { TreeSink } from "./tree_sink.ts";
import { readTree } from "./tree_source.ts";

type Copy = (typeof treeOperations)["copy"];

/** Copied before other calls get a turn (bytes): a few milliseconds. */
const TURN_BYTES = 8 * 1024 * 1024;

/** Handler of `fs.copy`. */
export async function copy(
  input: z.output<Copy["input"]>,
  call: Call<Copy, "mounts">,
): Promise<CopyReport> {
  const { path, to } = input;
  using source = call.services.mounts.parent(path, "look");
  if (input.recursive && (source.name === "" || currentAt(source, call)?.isDirectory())) {
    return copyFolder(source, input, call);
  }
  using file = openFile(source, call);
  using target = call.services.mounts.parent(to, "change");
  if (target.name === "") throw call.fail("not_a_file", { path: to });
  assertPrecondition(currentAt(target, call), input, { path: to, call });
  using staged = new StagedFile(target, call);
  await copyContent(file.fd, staged.fd, { to, call });
  const mode = Number(file.stat.mode) & 0o777;
  const dress = { ...input, mode, modified_ns: file.stat.mtimeNs };
  const { stat, created } = await staged.commit(dress, call);
  const size = Number(stat.size);
  return {
    via: "node",
    files: 1,
    folders: 0,
    links: 0,
    kept: 0,
    skipped: 0,
    skipped_entries: [],
    size_bytes: size,
    copied_bytes: size,
    version: versionOf(stat),
    created,
  };
}

/** Asks about every entry at both ends as it comes to it; what cannot be copied is reported. */
async function copyFolder(
  source: MountParent,
  input: z.output<Copy["input"]>,
  call: Call<Copy, "mounts">,
): Promise<CopyReport> {
  const { path, to, recursive, skip_denied, checksum } = input;
  using target = call.services.mounts.parent(to, "change");
  const above = source.virtual_path === "/" ? "/" : `${source.virtual_path}/`;
  if (`${target.virtual_path}/`.startsWith(above)) throw call.fail("into_itself", { path, to });
  const have = checksum ? undefined : haveBelow(target.virtual_path, call);
  const common = { skipDenied: skip_denied, hashed: false };
  const readAccesses = accessesOfTreeRead("fs.copy", false);
  const reading = { ...common, path, recursive, have, accessesOf: readAccesses };
  const writing = { ...common, ...input, accessesOf: accessesOfTreeWrite("fs.copy") };
  using sink = new TreeSink(writing, call);
  for await (const event of readTree(reading, call)) {
    await sink.take(event);
    sink.endTurn();
  }
  return sink.finish();
}
async function copyContent(
  from: number,
  into: number,
  { to, call }: { readonly to: string; readonly call: Call<Copy, "mounts"> },
): Promise<void> {
  const step = stepper(from, into);
  for (;;) {
    call.signal.throwIfAborted();
    if (attempt(call, to, step) === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** One turn's worth of copying; returns the bytes it copied, 0 at the end. */
function stepper(from: number, into: number): () => number {
  const { copyRange } = native();
  let inKernel = copyRange !== undefined;
  let buffer: Buffer | undefined;
  return () => {
    if (inKernel && copyRange) {
      try {
        const copied = copyRange(from, into, TURN_BYTES);
        // Files the kernel makes up (/proc) copy as empty in the kernel: read those.
        if (copied > 0) return copied;
      } catch {
        // Disks that cannot copy between each other: both stand where the last copied byte left them.
      }
      inKernel = false;
    }
    buffer ??= Buffer.allocUnsafeSlow(1024 * 1024);
    const got = readSync(from, buffer, 0, buffer.length, null);
    for (let done = 0; done < got; ) done += writeSync(into, buffer, done, got - done);
    return got;
  };
}
