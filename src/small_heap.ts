// Lets a daemon collect its garbage as on a small machine. The runtime plans by the memory of the machine it is on: with a
// lot of it, a busy node keeps ten times what it uses, and grows for many minutes before that is level.
// It must never be asked for after something is open: the process begins anew.
// Next: daemon_verbs.ts asks for it before anything else.

import type { VerbContext } from "./surface/cli/verb.ts";

const MEBIBYTE = 1024 * 1024;

/** How the runtime is told, which it reads when it starts and at no other time. */
const PLAN = {
  /** The machine it plans for (bytes of memory). */
  BUN_JSC_forceRAMSize: 256 * MEBIBYTE,
  /** What may be allocated between two collections (bytes), however little is in use: large files pass through as garbage. */
  BUN_JSC_largeHeapSize: 24 * MEBIBYTE,
};

/** Begins this process anew, under the same id, with such a heap; returns in that one, or at once where the user planned. */
export function planSmallHeap({ beginAnew }: Pick<VerbContext, "beginAnew">): void {
  const { env } = process;
  if (env.BUN_JSC_forceRAMSize === undefined) {
    const plan = Object.entries(PLAN).map(([name, bytes]) => [name, String(bytes)]);
    beginAnew(Object.fromEntries(plan));
  }
  // What the node starts plans for itself.
  for (const name of Object.keys(PLAN)) delete env[name];
}
