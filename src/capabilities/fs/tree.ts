// Walks a folder and everything below it through pinned descriptors, for removal and for asking policy about each entry.
// It must never follow a link, reach an entry by a path that could have been swapped, or leave a descriptor open.
// Next: rm.ts and rename.ts.

import { closeSync, constants, lstatSync, openSync } from "node:fs";
import type { Call } from "../../contract/capability.ts";
import type { Access, AnyOperation } from "../../contract/operation.ts";
import { attempt, type Failing } from "./failure.ts";
import { entryPath, readNames } from "./folder_reader.ts";
import { O_CLOEXEC } from "./native.ts";

/** What walking needs of a call. */
export type Walking = Pick<Call<AnyOperation, "mounts">, "signal" | "services" | "authorize"> &
  Failing;

/** An entry on the way. */
export interface TreeEntry {
  /** How to reach it: through its pinned folder. Valid until the walk goes on. */
  readonly path: string | Buffer;
  /** Path below the folder the walk started from, `a/b`; text, also where the name is not UTF-8. */
  readonly below: string;
  readonly isFolder: boolean;
}

/** Deepest nesting (folders): each level holds a descriptor. */
const DEPTH_MAX = 200;
/** Entries before other calls get a turn. */
const TURN_ENTRIES = 200;

/** Where a walk starts. */
export interface TreeRoot {
  readonly path: string;
  readonly virtual_path: string;
}

/** Yields every entry below the folder, a folder after what it holds. */
export async function* walkTree(
  root: TreeRoot,
  call: Walking,
): AsyncGenerator<TreeEntry, undefined> {
  const turn = { entries: 0 };
  yield* walkFolder({ path: root.path, below: "", depth: 0 }, { root, call, turn });
  return undefined;
}

interface Level {
  readonly path: string | Buffer;
  readonly below: string;
  readonly depth: number;
}

interface Walk {
  readonly root: TreeRoot;
  readonly call: Walking;
  readonly turn: { entries: number };
}

async function* walkFolder(level: Level, walk: Walk): AsyncGenerator<TreeEntry, undefined> {
  const { root, call, turn } = walk;
  const where = level.below === "" ? root.virtual_path : `${root.virtual_path}/${level.below}`;
  if (level.depth > DEPTH_MAX) throw call.fail("too_deep", { path: where });
  using folder = attempt(call, where, () => openFolder(level.path));
  const names = readNames(folder);
  for (;;) {
    const batch = attempt(call, where, () => names.next());
    if (batch.done) return undefined;
    for (const name of batch.value) {
      const path = entryPath(folder.path, name);
      const stat = attempt(call, where, () => lstatSync(path, { throwIfNoEntry: false }));
      if (!stat) continue;
      const text = name.toString();
      const below = level.below === "" ? text : `${level.below}/${text}`;
      const isFolder = stat.isDirectory();
      if (isFolder) yield* walkFolder({ path, below, depth: level.depth + 1 }, walk);
      yield { path, below, isFolder };
      if (++turn.entries % TURN_ENTRIES !== 0) continue;
      await new Promise((resolve) => setImmediate(resolve));
      call.signal.throwIfAborted();
    }
  }
}

function openFolder(path: string | Buffer): Disposable & { readonly fd: number; path: string } {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return { fd, path: pathOf(fd, path), [Symbol.dispose]: () => closeSync(fd) };
}

/** Elsewhere than on Linux a descriptor is no path; there the names lead down from the pinned root. */
function pathOf(fd: number, path: string | Buffer): string {
  return process.platform === "linux" ? `/proc/self/fd/${fd}` : path.toString();
}

/** Refuses when policy denies any access to any entry below the folder. @throws `fs.entry_denied` naming the first */
export async function assertTreeAllowed(
  root: TreeRoot,
  {
    call,
    accessesOf,
  }: { readonly call: Walking; readonly accessesOf: (below: string) => readonly Access[] },
): Promise<void> {
  for await (const { below } of walkTree(root, call)) {
    if (accessesOf(below).every((access) => call.authorize(access))) continue;
    throw call.fail("entry_denied", { path: `${root.virtual_path}/${below}` });
  }
}

/** Refuses a folder that holds the place of another mount. @throws `fs.mount_boundary` */
export function assertNoMountBelow(root: TreeRoot, call: Walking): void {
  const { mounts } = call.services.mounts;
  const held = mounts.find(({ at }) => at.startsWith(`${root.virtual_path}/`));
  if (held) throw call.fail("mount_boundary", { path: root.virtual_path, mount: held.name });
}

/** Resource of an entry below a folder's resource. */
export function resourceBelow(resource: string, below: string): string {
  return `${resource}/${below}`;
}
