// What confines one command, by policy: limits, protection of the node's files, no new rights. The same for calls, jobs and sessions.
// It must never report what was not put on, nor run anything unprotected where policy requires protection.
// Next: protection.ts, cgroup.ts; launch.ts puts it on.

import { ControlGroup } from "./cgroup.ts";
import { canRestrictCommands, NO_RESTRICTIONS, type Restrictions } from "./launch.ts";
import { type LimitName, type Limits, RESOURCES } from "./limits.ts";
import { type Protection, type ProtectionKind, protectionFor } from "./protection.ts";

/** What policy asks for. Plain data: it is handed to the processes beside the node that start commands. */
export interface ConfinementOrder {
  readonly protect: "auto" | "required" | "off";
  readonly new_privileges: boolean;
  readonly limits: Limits;
  /** Host paths of what is the node's own. */
  readonly own_paths: readonly string[];
}

/** What was really in force. */
export interface ConfinementReport {
  readonly protection: ProtectionKind;
  readonly limits_enforced: Readonly<Partial<Record<LimitName, "cgroup" | "rlimit">>>;
}

/** The capability to go beyond resource limits. */
const SYS_RESOURCE = 24;

/** Thrown where policy requires protection or limits, and nothing of the kind can be had here. */
export class ProtectionUnavailable extends Error {
  readonly code = "EPROTECT";
  readonly syscall = "execve";
}

/** Confinement of one command. Dispose of it when the command has ended. */
export class Confinement implements Disposable {
  readonly restrictions: Restrictions;
  readonly report: ConfinementReport;
  readonly group: ControlGroup | undefined;

  /**
   * @param folder where the command starts, as this process reaches it
   * @throws ProtectionUnavailable
   */
  constructor(order: ConfinementOrder, folder: string) {
    const { protect, new_privileges, limits, own_paths } = order;
    const isStrict = protect === "required";
    const protection =
      protect === "off" ? undefined : protectionFor(folder, { own: own_paths, isStrict });
    const kind = protection?.kind ?? "none";
    if (isStrict && kind === "none") throw new ProtectionUnavailable("Nothing protects here");
    if (!canRestrictCommands()) {
      if (Object.values(limits).some((most) => most !== undefined))
        throw new ProtectionUnavailable("Nothing limits here");
      this.restrictions = NO_RESTRICTIONS;
      this.report = { protection: "none", limits_enforced: {} };
      return;
    }
    this.group = ControlGroup.open(limits);
    const enforced: Partial<Record<LimitName, "cgroup" | "rlimit">> = {};
    for (const name of this.group?.enforced ?? []) enforced[name] = "cgroup";
    const each: [number, bigint][] = [];
    for (const [name, resource] of RESOURCES) {
      const most = limits[name];
      if (most === undefined || enforced[name]) continue;
      enforced[name] = "rlimit";
      each.push([resource, BigInt(most)]);
    }
    this.restrictions = {
      ...NO_RESTRICTIONS,
      ...protection?.restrictions,
      lost_capabilities: lostCapabilities(protection, each.length > 0),
      groups: this.group?.doors ?? [],
      limits: each,
      // Landlock asks for it, too.
      no_new_privileges: !new_privileges || kind !== "none",
    };
    this.report = { protection: kind, limits_enforced: enforced };
  }

  [Symbol.dispose](): void {
    this.group?.[Symbol.dispose]();
  }
}

/** Root could raise its limits again. */
function lostCapabilities(protection: Protection | undefined, isLimited: boolean) {
  const lost = protection?.restrictions.lost_capabilities ?? [];
  if (!isLimited || process.geteuid?.() !== 0 || lost.includes(SYS_RESOURCE)) return lost;
  return [...lost, SYS_RESOURCE];
}
