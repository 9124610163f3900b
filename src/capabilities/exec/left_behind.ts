// Ends the commands of a node that was killed: nobody reads their output or keeps their deadline any more.
// It must never end what belongs to a living process, nor what policy let go on (`background: keep`).
// Next: process_tree.ts gives the tags by which they are known.

import { sweepGroups } from "./launch/cgroup.ts";
import { listProcesses, processState, realtimeLimits } from "./process_table.ts";
import { adoptOrphans, isTaggedBy } from "./process_tree.ts";

/** How often to look again for what forked meanwhile. */
const LOOKS_MAX = 20;

/** Kills what commands of the process that had this id left behind, and removes their control groups. */
export async function killLeftBehind(crashed_pid: number): Promise<void> {
  if (process.platform !== "linux") return;
  await killAll(crashed_pid);
  sweepGroups();
}

async function killAll(crashed_pid: number): Promise<void> {
  adoptOrphans();
  for (let look = 0; look < LOOKS_MAX; look++) {
    const left = leftBehind(crashed_pid);
    if (left.length === 0) return;
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile, or another user's.
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function leftBehind(crashed: number): readonly number[] {
  // One that is being killed is dead before its last thread is, and its children are still called its own.
  const isReused = isAlive(crashed);
  return listProcesses().filter(
    (pid) =>
      isTaggedBy(realtimeLimits(pid), crashed) &&
      isAlive(pid) &&
      !(isReused && descendsFrom(pid, crashed)),
  );
}

function isAlive(pid: number): boolean {
  return !"ZX".includes(processState(pid)?.state ?? "X");
}

/** The id may have been given to another process since, even another node with commands of its own. */
function descendsFrom(pid: number, ancestor: number): boolean {
  let at = processState(pid)?.parent ?? 0;
  while (at > 1) {
    if (at === ancestor) return true;
    at = processState(at)?.parent ?? 0;
  }
  return false;
}
