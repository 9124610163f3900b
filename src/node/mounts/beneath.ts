// Opens a folder below an open folder, and nothing else: no symlink is followed, no component leads up.
// It must never check first and open later: what is checked is the descriptor that is used.
// Next: openat2.ts for the kernel's way, host_mounts.ts for who calls it.

import { closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";
import { folderFlags, O_CLOEXEC, type OpenResult, openat2 } from "./openat2.ts";

/** How a folder is opened. */
export interface BeneathOptions {
  /** Flags of the last open, e.g. O_RDONLY|O_DIRECTORY. */
  readonly flags: number;
  /** Called with the descriptor of every component on the way; returning false stops with `boundary`. */
  readonly admits?: ((fd: number) => boolean) | undefined;
  /** For tests: walk even where openat2 exists. */
  readonly walk?: boolean;
}

/** Opens `inner` (`a/b`, or `""` for the folder itself) below `root`; the caller closes what it gets. */
export function openBeneath(root: number, inner: string, options: BeneathOptions): OpenResult {
  if (inner.includes("\0")) return "EINVAL";
  if (inner !== "" && !options.admits && !options.walk && !kernelTooOld) {
    const result = openat2(root, inner, options.flags);
    // Only components that lead up make the kernel say "again", and there are none: once is enough.
    if (result !== "ENOSYS")
      return result === "EAGAIN" ? openat2(root, inner, options.flags) : result;
    kernelTooOld = true;
  }
  return walk(root, inner, options);
}

/** The path that reaches an object through the open folder `fd`, whatever is renamed meanwhile. */
export function throughDescriptor(fd: number, name = ""): string {
  return name === "" ? folderPath(fd) : `${folderPath(fd)}/${name}`;
}

let kernelTooOld = false;

/** One component at a time, each relative to the pinned folder before it and never through a link. */
function walk(root: number, inner: string, { flags, admits }: BeneathOptions): OpenResult {
  const components = inner === "" ? ["."] : inner.split("/");
  let at = root;
  try {
    for (const [index, component] of components.entries()) {
      if (inner !== "" && (component === "" || component === "." || component === "..")) {
        return "EINVAL";
      }
      const last = index === components.length - 1;
      const next = openComponent(at, component, last ? flags : folderFlags());
      if (typeof next === "string") return next;
      if (at !== root) closeSync(at);
      at = next;
      if (inner !== "" && admits && !admits(next)) return "boundary";
    }
    const result = at;
    at = root;
    return result;
  } finally {
    if (at !== root) closeSync(at);
  }
}

function openComponent(folder: number, component: string, flags: number): OpenResult {
  try {
    const noFollow = constants.O_NOFOLLOW | O_CLOEXEC;
    return openSync(throughDescriptor(folder, component), flags | noFollow);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    // With O_DIRECTORY a link is reported as "not a directory": say which it was.
    return code === "ENOTDIR" && isLink(folder, component) ? "ELOOP" : code;
  }
}

function isLink(folder: number, component: string): boolean {
  try {
    readlinkSync(throughDescriptor(folder, component));
    return true;
  } catch {
    return false;
  }
}

function folderPath(fd: number): string {
  if (process.platform === "linux") return `/proc/self/fd/${fd}`;
  // macOS reaches any object by device and inode; the open descriptor keeps the inode from being used again.
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `/.vol/${dev}/${ino}`;
}
