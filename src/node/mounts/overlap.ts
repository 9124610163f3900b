// Mounts whose host folders lie inside one another: the inner one is reached under its own virtual path only,
// because policy decided by that path.
// It must never tell folders apart by spelling alone: device and inode say what a descriptor really is.
// Next: host_mounts.ts asks before it hands a descriptor out.

import { fstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Mount } from "../../policy/mount.ts";

/** What may not be crossed, or not be changed, below a mount's root. */
export interface Overlap {
  /** Roots of other mounts inside this one. */
  readonly roots: ReadonlySet<string>;
  /** Folders between this mount's root and those: moving one would move a mount. */
  readonly ancestors: ReadonlySet<string>;
}

/** The mounts whose host folders lie strictly inside that of `mount`; usually none. */
export function mountsInside(mount: Mount, mounts: readonly Mount[]): readonly Mount[] {
  const outer = realPath(mount.path);
  return mounts.filter((other) => {
    const inner = realPath(other.path);
    return inner !== outer && inner.startsWith(outer === "/" ? "/" : `${outer}/`);
  });
}

/** What the mounts inside `mount` forbid, as the disk is now. */
export function overlapOf(mount: Mount, inside: readonly Mount[]): Overlap {
  const outer = identityOfPath(mount.path);
  const roots = new Set<string>();
  const ancestors = new Set<string>();
  for (const other of inside) {
    const chain = ancestryOf(other.path);
    const depth = outer === undefined ? -1 : chain.indexOf(outer);
    if (depth <= 0) continue;
    roots.add(chain[0]!);
    for (const between of chain.slice(1, depth)) ancestors.add(between);
  }
  return { roots, ancestors };
}

/** Device and inode of an open object: what it is, however it was reached. */
export function identityOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

function identityOfPath(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

/** Identities of the folder and of everything above it, up to the host's root; empty when it does not exist. */
function ancestryOf(path: string): string[] {
  const chain: string[] = [];
  let at: string;
  try {
    at = realpathSync(path);
  } catch {
    return [];
  }
  for (;;) {
    chain.push(identityOfPath(at) ?? "gone");
    const up = dirname(at);
    if (up === at) return chain;
    at = up;
  }
}

/** The real path, also of a folder that does not exist yet: that of what exists above it, and the rest as written. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const up = dirname(path);
    return up === path ? path : join(realPath(up), basename(path));
  }
}
