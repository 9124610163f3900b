// A file or folder held by a descriptor that opens nothing, so that its mode and time are set on exactly that object.
// It must never pin a link or a device, or give a file bits beyond read, write and execute.
// Next: attribute.ts relabels with it; tree_sink.ts gives copied folders their modes and times.

import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  openSync,
} from "node:fs";
import type { MountParent } from "../../contract/services.ts";
import { typeOf } from "./describe.ts";
import { attempt, type Failing } from "./failure.ts";
import { native, O_CLOEXEC, O_PATH } from "./native.ts";

/** A pinned file or folder; close it with `using`. Its methods throw what the host throws. */
export interface PinnedObject extends Disposable {
  /** As it was when it was pinned. */
  readonly stat: BigIntStats;
  /** As it is now. */
  look(): BigIntStats;
  setMode(mode: number): void;
  setModified(modifiedNs: bigint): void;
}

/** Pins what `parent` names. @throws `fs.missing`, `fs.symlink`, `fs.special_file` */
export function pinObject(parent: MountParent, call: Failing): PinnedObject {
  const path = parent.virtual_path;
  return attempt(call, path, () => {
    const isLinux = process.platform === "linux";
    const fd = openSync(parent.path, (isLinux ? O_PATH : WARY) | constants.O_NOFOLLOW | O_CLOEXEC);
    try {
      const stat = fstatSync(fd, { bigint: true });
      const type = typeOf(stat);
      if (type === "symlink") throw call.fail("symlink", { path });
      if (type === "special") throw call.fail("special_file", { path });
      return isLinux ? throughPath(fd, stat) : throughDescriptor(fd, stat);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

const WARY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const PERMISSIONS = 0o777;

/** A descriptor that opened nothing takes no changes itself; its path in /proc leads to the object. */
function throughPath(fd: number, stat: BigIntStats): PinnedObject {
  const path = `/proc/self/fd/${fd}`;
  return {
    stat,
    look: () => fstatSync(fd, { bigint: true }),
    setMode: (mode) => chmodSync(path, mode & PERMISSIONS),
    setModified: (modifiedNs) => native().setModified(path, modifiedNs),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function throughDescriptor(fd: number, stat: BigIntStats): PinnedObject {
  return {
    stat,
    look: () => fstatSync(fd, { bigint: true }),
    setMode: (mode) => fchmodSync(fd, mode & PERMISSIONS),
    setModified(modifiedNs) {
      const seconds = Number(modifiedNs) / 1e9;
      futimesSync(fd, seconds, seconds);
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}
