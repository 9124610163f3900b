// Lets a daemon collect its garbage as on a small machine. The runtime plans by the memory of the machine it is on: with a
// lot of it, a busy node keeps ten times what it uses, and grows for many minutes before that is level.
// It must never be asked for after something is open: the process begins anew.
// Next: daemon_verbs.ts asks for it before anything else.

import type { VerbContext } from "./surface/cli/verb.ts";

/** The only way to tell the runtime, which reads it when it starts. */
const VARIABLE = "BUN_JSC_forceRAMSize";
/** The machine a heap is planned for (bytes of memory). */
const PLANNED_BYTES = 512 * 1024 * 1024;

/** Begins this process anew, under the same id, with such a heap; returns in that one, or at once where the user planned. */
export function planSmallHeap({ beginAnew }: Pick<VerbContext, "beginAnew">): void {
  const { env } = process;
  if (env[VARIABLE] === undefined) beginAnew({ [VARIABLE]: String(PLANNED_BYTES) });
  // What the node starts plans for itself.
  delete env[VARIABLE];
}
