// Mounts map virtual paths to host folders. This is the pure half: names only, nothing here touches a disk.
// It must never accept a path whose spelling could mean two things (`.`, `..`, empty components, NUL).
// Next: node/ opens files below mounts; capabilities/fs asks for them.

/** The pure half of mounts: which virtual path belongs to which mount. */
export interface MountTable {
  readonly mounts: readonly Mount[];
  /**
   * The resource of a virtual path: `fs:<mount>/<path inside it>` (`fs:<mount>/` for its root), longest mount prefix first.
   * @throws OperonError `fs.path_invalid` for a path that is not absolute, has `.`/`..`/empty components, NUL or is too long;
   *   `fs.mount_unknown` when no mount covers it.
   */
  resourceOf(path: string): string;
  /** The mount of a virtual path and the path inside it (`""` for the root); same errors as {@link resourceOf}. */
  locate(path: string): { readonly mount: Mount; readonly inner: string };
}

/** A host folder under a virtual path. */
export interface Mount {
  readonly name: string;
  /** Virtual path it appears under, `/` or `/a/b`. */
  readonly at: string;
  /** Absolute host path. */
  readonly path: string;
  readonly read_only: boolean;
}
