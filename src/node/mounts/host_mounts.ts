// Files below mounts: turns virtual paths into pinned descriptors. Containment lives here and nowhere else.
// It must never follow a symlink, hand out a host path to open again, or keep a descriptor nobody closes.
// Next: beneath.ts for how a path is walked, overlap.ts for mounts inside mounts, mount_error.ts for the errors.

import { closeSync, constants, lstatSync, openSync, readlinkSync, realpathSync } from "node:fs";
import type { MountFolder, MountParent, Mounts } from "../../contract/services.ts";
import type { Mount, MountTable } from "../../policy/mount.ts";
import { openBeneath, throughDescriptor } from "./beneath.ts";
import { explainLink } from "./link.ts";
import { mountError, mountErrorOfErrno } from "./mount_error.ts";
import { folderFlags, O_CLOEXEC } from "./openat2.ts";
import { identityOf, mountsInside, type Overlap, overlapOf } from "./overlap.ts";

/** For tests: `walk` does without openat2, as on kernels and systems that lack it. */
export interface HostMountsOptions {
  readonly walk?: boolean;
}

/** {@link Mounts} on this machine's disk. Holds no descriptor between calls, so a replaced mount folder is seen. */
export class HostMounts implements Mounts {
  readonly #table: MountTable;
  readonly #inside: ReadonlyMap<string, readonly Mount[]>;
  readonly #walk: boolean;

  constructor(table: MountTable, options: HostMountsOptions = {}) {
    this.#table = table;
    this.#walk = options.walk ?? false;
    const { mounts } = table;
    this.#inside = new Map(mounts.map((mount) => [mount.name, mountsInside(mount, mounts)]));
  }

  get mounts(): readonly Mount[] {
    return this.#table.mounts;
  }

  resourceOf(path: string): string {
    return this.#table.resourceOf(path);
  }

  locate(path: string): { readonly mount: Mount; readonly inner: string } {
    return this.#table.locate(path);
  }

  parent(path: string, intent: "look" | "change"): MountParent {
    const { mount, inner } = this.#table.locate(path);
    if (intent === "change" && mount.read_only) throw mountError("read_only", path);
    const slash = inner.lastIndexOf("/");
    const name = inner.slice(slash + 1);
    const overlap = this.#overlap(mount);
    const target = { mount, path, inner, overlap };
    const fd = this.#open(target, slash < 0 ? "" : inner.slice(0, slash), folderFlags());
    const parent = new PinnedParent(fd, name, virtualPath(mount, inner));
    try {
      if (overlap && name !== "") assertOwn(parent, { overlap, intent });
      return parent;
    } catch (error) {
      parent[Symbol.dispose]();
      throw error;
    }
  }

  folder(path: string): MountFolder {
    const { mount, inner } = this.#table.locate(path);
    const target = { mount, path, inner, overlap: this.#overlap(mount) };
    const readable = constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC;
    try {
      return new PinnedFolder(this.#open(target, inner, readable), virtualPath(mount, inner));
    } catch (error) {
      // A folder that may be entered but not listed still serves as a working directory.
      if ((error as { code?: string }).code !== "fs.permission") throw error;
      return new PinnedFolder(this.#open(target, inner, folderFlags()), virtualPath(mount, inner));
    }
  }

  #overlap(mount: Mount): Overlap | undefined {
    const inside = this.#inside.get(mount.name) ?? [];
    return inside.length === 0 ? undefined : overlapOf(mount, inside);
  }

  #open({ mount, path, inner, overlap }: OpenTarget, folder: string, flags: number): number {
    const root = openRoot(mount, path);
    // The mount's own folder, pinned: that is what is open already.
    if (folder === "" && flags === folderFlags()) return root;
    try {
      const admits = overlap && ((fd: number) => !overlap.roots.has(identityOf(fd)));
      const result = openBeneath(root, folder, { flags, admits, walk: this.#walk });
      if (typeof result === "number") return result;
      if (result === "ELOOP" || result === "EXDEV") throw explainLink(mount, { root, inner, path });
      throw mountError(mountErrorOfErrno(result), path);
    } finally {
      closeSync(root);
    }
  }
}

interface OpenTarget {
  readonly mount: Mount;
  readonly path: string;
  /** The whole path inside the mount, for the text of errors. */
  readonly inner: string;
  readonly overlap: Overlap | undefined;
}

function openRoot(mount: Mount, path: string): number {
  try {
    return openSync(mount.path, folderFlags());
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? "";
    const name = mountErrorOfErrno(errno);
    const gone = name === "missing" || name === "not_a_folder";
    throw mountError(gone ? "mount_missing" : name, path, { cause });
  }
}

/** Refuses the root of another mount, and changes to a folder that holds one. */
function assertOwn(
  parent: MountParent,
  { overlap, intent }: { readonly overlap: Overlap; readonly intent: "look" | "change" },
): void {
  const stat = lstatSync(parent.path, { bigint: true, throwIfNoEntry: false });
  if (!stat) return;
  const identity = `${stat.dev}:${stat.ino}`;
  const held = intent === "change" && overlap.ancestors.has(identity);
  if (held || overlap.roots.has(identity)) throw mountError("mount_boundary", parent.virtual_path);
}

function virtualPath(mount: Mount, inner: string): string {
  if (inner === "") return mount.at;
  return mount.at === "/" ? `/${inner}` : `${mount.at}/${inner}`;
}

class PinnedParent implements MountParent {
  #open = true;

  constructor(
    readonly fd: number,
    readonly name: string,
    readonly virtual_path: string,
  ) {}

  get path(): string {
    return throughDescriptor(this.fd, this.name);
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }
}

class PinnedFolder implements MountFolder {
  #open = true;

  constructor(
    readonly fd: number,
    readonly virtual_path: string,
  ) {}

  get path(): string {
    return throughDescriptor(this.fd);
  }

  get host_path(): string {
    return process.platform === "linux" ? readlinkSync(this.path) : realpathSync(this.path);
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }
}
