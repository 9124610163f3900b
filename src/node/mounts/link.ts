// Explains a refused symlink: where on the path it stands, and whether its target is inside the mount.
// It must never decide anything: it runs after the refusal, and only for the text of the error.
// Next: host_mounts.ts calls it.

import { closeSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { OperonError } from "../../error.ts";
import type { Mount } from "../../policy/mount.ts";
import { openBeneath, throughDescriptor } from "./beneath.ts";
import { mountError } from "./mount_error.ts";
import { folderFlags } from "./openat2.ts";

/** Where a refused path was looked up. */
export interface RefusedPath {
  readonly root: number;
  readonly inner: string;
  readonly path: string;
}

/** `fs.symlink` with the path to use instead, or `fs.escape` when the link leads out of the mount. */
export function explainLink(mount: Mount, { root, inner, path }: RefusedPath): OperonError {
  const components = inner.split("/");
  for (const [index, name] of components.entries()) {
    const folder = components.slice(0, index).join("/");
    const fd = openBeneath(root, folder, { flags: folderFlags() });
    if (typeof fd === "string") break;
    try {
      readlinkSync(throughDescriptor(fd, name));
      const real = realpathSync(throughDescriptor(fd, name));
      return explainTarget(mount, { real, rest: components.slice(index + 1), path });
    } catch (error) {
      // Not a link: go on. A link to nothing: there is no better path to name.
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") break;
    } finally {
      closeSync(fd);
    }
  }
  return mountError("symlink", path);
}

function explainTarget(
  mount: Mount,
  { real, rest, path }: { real: string; rest: readonly string[]; path: string },
): OperonError {
  const base = realpathSync(mount.path);
  if (real !== base && !real.startsWith(base === "/" ? "/" : `${base}/`)) {
    return mountError("escape", path);
  }
  const target = join(mount.at, real.slice(base.length), ...rest);
  return mountError("symlink", path, { hint: `Use ${JSON.stringify(target)} instead` });
}
