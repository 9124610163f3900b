// The folder of the entry before, for as long as nothing waits: most entries of a tree have the same folder.
// It must never outlive a turn of the event loop, or serve a path that belongs to another mount.
// Next: tree_sink.ts makes new files through it.

import type { MountParent, Mounts } from "../../contract/services.ts";

/** Keeps one folder pinned; release it before anything waits. */
export class FolderPin {
  readonly #mounts: Mounts;
  #pinned:
    | { readonly above: string; readonly mount: string; readonly parent: MountParent }
    | undefined;

  constructor(mounts: Mounts) {
    this.#mounts = mounts;
  }

  /** The parent of a path that may be changed; it stays open, and is this pin's. Errors as `mounts.parent`. */
  parent(path: string): MountParent {
    const slash = path.lastIndexOf("/");
    const above = path.slice(0, slash);
    const mount = this.#mounts.locate(path).mount.name;
    if (this.#pinned?.above !== above || this.#pinned.mount !== mount) {
      this.release();
      this.#pinned = { above, mount, parent: this.#mounts.parent(path, "change") };
      return this.#pinned.parent;
    }
    const { parent } = this.#pinned;
    const name = path.slice(slash + 1);
    const folder = parent.path.slice(0, parent.path.lastIndexOf("/"));
    return {
      fd: parent.fd,
      name,
      path: `${folder}/${name}`,
      virtual_path: path,
      [Symbol.dispose]() {},
    };
  }

  /** Lets go of the folder; harmless when there is none. */
  release(): void {
    this.#pinned?.parent[Symbol.dispose]();
    this.#pinned = undefined;
  }
}
