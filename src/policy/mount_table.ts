// Which mount a virtual path belongs to, and the resource policy matches for it.
// It must never touch a disk, nor let two spellings of a path have different resources.
// Next: virtual_path.ts for what a path may look like; node/mounts opens files below mounts.

import { OperonError } from "../error.ts";
import type { Mount, MountTable } from "./mount.ts";
import { parseVirtualPath } from "./virtual_path.ts";

/**
 * Builds the table; the longest prefix (by whole components) wins, so `/data_evil` is not below `/data`.
 * @throws OperonError `policy.mount_invalid` for two mounts with one name or one `at`, an `at` that is no canonical path,
 *   or a host path that is not absolute
 */
export function createMountTable(mounts: readonly Mount[]): MountTable {
  const byPath = new Map<string, Mount>();
  const names = new Set<string>();
  for (const mount of mounts) {
    if (!mount.path.startsWith("/")) {
      throw mountInvalid(
        `Mount ${mount.name} has the host path "${mount.path}", not an absolute one`,
      );
    }
    const at = parseAt(mount);
    if (names.has(mount.name)) throw mountInvalid(`Two mounts are named ${mount.name}`);
    const other = byPath.get(at);
    if (other) throw mountInvalid(`Mounts ${other.name} and ${mount.name} are both at ${at}`);
    names.add(mount.name);
    byPath.set(at, { ...mount, at });
  }
  const locate = (path: string) => locateIn(byPath, parseVirtualPath(path));
  return {
    mounts: [...byPath.values()],
    locate,
    resourceOf(path) {
      const { mount, inner } = locate(path);
      return `fs:${mount.name}/${inner}`;
    },
  };
}

function locateIn(byPath: ReadonlyMap<string, Mount>, path: string) {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const mount = byPath.get(path.slice(0, end));
    if (mount) return { mount, inner: path.slice(end + 1) };
  }
  const root = byPath.get("/");
  if (root) return { mount: root, inner: path.slice(1) };
  throw new OperonError({
    code: "fs.mount_unknown",
    kind: "not_found",
    message: `No mount covers ${path}`,
    hint:
      byPath.size === 0
        ? "This node has no mounts; add one under policy.mounts"
        : `Mounts are at ${[...byPath.keys()].join(", ")}`,
  });
}

function parseAt(mount: Mount): string {
  try {
    return parseVirtualPath(mount.at);
  } catch (cause) {
    if (!(cause instanceof OperonError)) throw cause;
    throw mountInvalid(`Mount ${mount.name} has a bad \`at\`: ${cause.message}`);
  }
}

function mountInvalid(message: string): OperonError {
  return new OperonError({
    code: "policy.mount_invalid",
    kind: "invalid_argument",
    message,
    hint: "Correct policy.mounts: names and `at` paths are unique, both paths absolute",
  });
}
