// Everything a command started, however it tried to get away: forked twice, in its own session,
// deaf to SIGTERM.
// It must never signal a process it cannot tie to the command: by descent, or by the tag all its
// children inherit.
// Next: process_table.ts reads the kernel's tables; run.ts ends a tree when a call ends.
//
// Orphans become children of this process (PR_SET_CHILD_SUBREAPER) instead of init's. Whose they
// are is told by a tag: a realtime CPU limit, different for each command and far too large to bind,
// which children inherit and cannot raise. Its low bits tell which process started the command, so
// that the next one can end what a killed one left (left_behind.ts).
// What escapes: a process that lowers both limits itself (or, as root, raises them) and then loses
// its parents.

import { type Clock, systemClock } from "../../clock.ts";
import { libc, RLIMIT_RTTIME } from "./libc.ts";
import { childrenOf, processState, realtimeLimits, threadsOf } from "./process_table.ts";

/** How long a tree may take to obey SIGTERM (ms). */
const TERM_GRACE_MS = 500;
/** How long SIGKILL may take to be carried out (ms), e.g. while a process hangs in a driver. */
const KILL_GRACE_MS = 2_000;
/** How long an orphan that has ended may stay a zombie (ms): many end at once. */
const REAP_AFTER_MS = 100;
/** How often to look whether a tree is gone (ms). */
const LOOK_EVERY_MS = 10;

const NO_LIMIT = 2n ** 63n;
/** About 146,000 years. */
const TAG_BASE = 2n ** 62n;
/** More than process ids there can be (Linux: at most 2^22). */
const TAG_STRIDE = 2n ** 23n;

let firstTag: bigint | undefined;
let tagsGiven = 0n;

/** Leaders of living commands: launch/exit.ts reaps these, nobody else may. */
const roots = new Set<number>();

/** Trees that may still have living processes we answer for. */
const trees = new Set<ProcessTree<{ readonly pid: number }>>();

/** Something that knows for sure what belongs to a command. */
export interface ProcessGroup {
  /** Ids of its processes. */
  members(): readonly number[];
}

/** The processes of one command. */
export class ProcessTree<Child extends { readonly pid: number }> implements Disposable {
  readonly child: Child;
  readonly #tag: bigint;
  readonly #group: ProcessGroup | undefined;

  /**
   * Starts the first process, which `spawn` must make the leader of a session and group of its own, with this tag as
   * its realtime CPU limit.
   */
  constructor(spawn: (tag: bigint) => Child, group?: ProcessGroup) {
    this.#tag = nextTag();
    this.#group = group;
    this.child = spawn(this.#tag);
    roots.add(this.child.pid);
    trees.add(this);
  }

  /**
   * Says that the first process has ended and was reaped: its id may mean another one from now on.
   */
  exited(): void {
    roots.delete(this.child.pid);
  }

  /** Says that what still lives may go on living: it is not killed when this process exits. */
  [Symbol.dispose](): void {
    trees.delete(this);
  }

  /** As disposing, and for good: neither will it be killed should this process not exit but crash. */
  keep(): void {
    this[Symbol.dispose]();
    const kept = this.#tag - (this.#tag % TAG_STRIDE);
    for (const pid of this.#members()) libc().setRealtimeLimits(pid, { soft: kept, hard: kept });
  }

  /** Whether anything of it still lives. */
  isAlive(): boolean {
    return this.#members().length > 0;
  }

  /**
   * Kills everything: SIGTERM, then SIGKILL for what is left after a while. May be called twice.
   */
  async kill(clock: Clock, termGraceMs = TERM_GRACE_MS): Promise<void> {
    const startMs = clock.monotonicMs();
    this.signal("SIGTERM");
    while (this.isAlive() && clock.monotonicMs() - startMs < termGraceMs) {
      await clock.sleep(LOOK_EVERY_MS);
    }
    const endMs = clock.monotonicMs() + KILL_GRACE_MS;
    // Again and again: what forks while it is looked for is found the next time.
    while (this.signal("SIGKILL") > 0 && clock.monotonicMs() < endMs) await clock.sleep(1);
  }

  /** Sends a signal to all that live now; returns how many there were. */
  signal(signal: NodeJS.Signals): number {
    const members = this.#members();
    // The group first, in one step; a descent takes several, in which a process could fork away
    // from under it.
    if (roots.has(this.child.pid)) trySignal(-this.child.pid, signal);
    for (const pid of members) trySignal(pid, signal);
    return members.length;
  }

  /** Living processes of the tree, by descent from the first one and from orphans. */
  #members(): readonly number[] {
    if (process.platform !== "linux") return roots.has(this.child.pid) ? [this.child.pid] : [];
    const found = new Set<number>();
    const next = [...this.#orphans(), ...(this.#group?.members() ?? [])];
    if (roots.has(this.child.pid)) next.push(this.child.pid);
    for (let pid = next.pop(); pid !== undefined; pid = next.pop()) {
      if (found.has(pid)) continue;
      found.add(pid);
      next.push(...childrenOf(pid, threadsOf(pid)));
    }
    return [...found].filter((pid) => !"ZX".includes(processState(pid)?.state ?? "X"));
  }

  #orphans(): number[] {
    return adopted(threadsOf(process.pid))
      .filter(({ tags }) => tags.includes(this.#tag))
      .map(({ pid }) => pid);
  }
}

/** Makes this process the one that inherits orphans; does nothing after the first time. */
export function adoptOrphans(): void {
  if (firstTag !== undefined) return;
  libc().becomeSubreaper();
  // A daemon that stops has cancelled its calls, but has no time left for what is deaf to SIGTERM.
  process.once("exit", () => {
    for (const tree of trees) tree.signal("SIGKILL");
  });
  let isDue = false;
  process.on("SIGCHLD", () => {
    if (isDue) return;
    isDue = true;
    systemClock.after(REAP_AFTER_MS, () => {
      isDue = false;
      reapOrphans();
    });
  });
  const { hard } = libc().ownRealtimeLimits();
  // Below the own limit, which is itself a tag when this process runs inside another one's command.
  firstTag = hard > 0n && hard < NO_LIMIT ? hard : TAG_BASE;
}

/** Reaps orphans that have ended, so that none stays a zombie. Quick when there are none. */
function reapOrphans(): void {
  // The kernel gives orphans to the first thread, whose number is the process's own.
  adopted([process.pid]);
}

/**
 * Children of this process that it did not start, as their tags tell; dead ones are reaped and left
 * out.
 */
function adopted(
  threads: readonly number[],
): { readonly pid: number; readonly tags: readonly bigint[] }[] {
  const orphans: { pid: number; tags: readonly bigint[] }[] = [];
  for (const pid of childrenOf(process.pid, threads)) {
    if (roots.has(pid)) continue;
    const tags = realtimeLimits(pid);
    if (!tags.some((tag) => firstTag !== undefined && tag < firstTag)) continue;
    if (processState(pid)?.state === "Z" && libc().exitStatus(pid) !== undefined) continue;
    orphans.push({ pid, tags });
  }
  return orphans;
}

/** The tag as a resource limit that a command is started with. */
export function tagLimit(tag: bigint): readonly [resource: number, most: bigint] {
  return [RLIMIT_RTTIME, tag];
}

function nextTag(): bigint {
  adoptOrphans();
  tagsGiven += 1n;
  return (firstTag ?? TAG_BASE) - tagsGiven * TAG_STRIDE - BigInt(process.pid);
}

/** Whether one of the tags was given by a process that had this id, here or inside the same outer command. */
export function isTaggedBy(tags: readonly bigint[], pid: number): boolean {
  const first = firstTag ?? TAG_BASE;
  // Limits that are meant as such are far smaller.
  const given = tags.filter((tag) => tag < first && tag > first / 2n);
  return given.some((tag) => (first - tag) % TAG_STRIDE === BigInt(pid));
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: gone meanwhile. EPERM: it became another user's; nothing can be done from here.
  }
}
