// fs.copy: copies a file on the node, inside the kernel where it can.
// It must never show a half-made copy or follow a link at either end.
// Next: staged_file.ts for how the copy appears, open_file.ts for what may be copied.

import { readSync, writeSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import { versionOf } from "./describe.ts";
import { attempt } from "./failure.ts";
import { native } from "./native.ts";
import { openFile } from "./open_file.ts";
import { assertPrecondition, currentAt } from "./precondition.ts";
import type { operations } from "./schema.ts";
import { StagedFile } from "./staged_file.ts";

type Copy = typeof operations.copy;

/** Copied before other calls get a turn (bytes): a few milliseconds. */
const TURN_BYTES = 8 * 1024 * 1024;

/** Handler of `fs.copy`. */
export async function copy(
  input: z.output<Copy["input"]>,
  call: Call<Copy, "mounts">,
): Promise<z.input<Copy["output"]>> {
  const { path, to } = input;
  using source = call.services.mounts.parent(path, "look");
  using file = openFile(source, call);
  using target = call.services.mounts.parent(to, "change");
  if (target.name === "") throw call.fail("not_a_file", { path: to });
  assertPrecondition(currentAt(target, call), input, { path: to, call });
  using staged = new StagedFile(target, call);
  await copyContent(file.fd, staged.fd, { to, call });
  const mode = Number(file.stat.mode) & 0o777;
  const { stat, created } = await staged.commit({ ...input, mode }, call);
  return { size_bytes: Number(stat.size), version: versionOf(stat), created };
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
