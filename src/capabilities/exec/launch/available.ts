// What this machine can put on a command, found out without running one: for people who ask before they rely on it.
// It must never answer from what the kernel has: each way is tried, as it is for commands.
// Next: protection.ts and cgroup.ts, which are asked; doctor/runtime_checks.ts puts it into words.

import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { type AvailableControllers, availableControllers } from "./cgroup.ts";
import { landlockVersion } from "./landlock.ts";
import { canRestrictCommands } from "./launch.ts";
import { type ProtectionKind, protectionFor } from "./protection.ts";

/** What commands would get here. */
export interface AvailableConfinement {
  /** Whether commands can be started with restrictions at all. */
  readonly can_restrict: boolean;
  readonly protection: ProtectionKind;
  /** 0 without. */
  readonly landlock_version: number;
  readonly groups: readonly AvailableControllers[];
}

/** Whose commands are meant. */
export interface AvailableFor {
  /** Host paths of what is the node's own. */
  readonly own: readonly string[];
  /** The process that starts them; default: this one. */
  readonly pid?: number | undefined;
}

/** Tries what {@link protectionFor} tries, for a command that starts outside the node's own folders. */
export function availableConfinement({ own, pid }: AvailableFor): AvailableConfinement {
  const isLinux = process.platform === "linux";
  const protectionOf = (paths: readonly string[]) =>
    protectionFor("/", { own: paths, isStrict: false }).kind;
  // A home that is not there yet cannot be kept from anybody; any folder tells whether it could be.
  const isThere = own.some((path) => existsSync(path));
  return {
    can_restrict: canRestrictCommands(),
    protection: protectionOf(isThere ? own : [tmpdir()]),
    landlock_version: isLinux ? landlockVersion() : 0,
    groups: availableControllers(pid),
  };
}
