// What this machine can do for a node: mounting, limiting commands, keeping them from the node's own files.
// It must never change anything, nor need a configuration.
// Next: finding.ts; local_checks.ts looks at the home.

import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import type { Finding } from "./finding.ts";

/** {@link checkMountRuntime} among other things: who mounts nothing need not change anything. */
export function noteMountRuntime(): readonly Finding[] {
  return checkMountRuntime().map((finding) =>
    finding.status === "problem" ? { ...finding, status: "note" } : finding,
  );
}

/** What mounting a node's files would need here. */
export function checkMountRuntime(): readonly Finding[] {
  if (process.platform !== "linux") {
    return [
      {
        check: "mount runtime",
        status: "problem",
        what: `Mounting a node's files needs Linux; this is ${process.platform}`,
        fix: "Use operon fs commands and copies here",
      },
    ];
  }
  if (!/\bfuse$/m.test(readText("/proc/filesystems"))) {
    return [
      {
        check: "mount runtime",
        status: "problem",
        what: "The kernel has no FUSE loaded",
        fix: "Run: modprobe fuse",
      },
    ];
  }
  return [deviceFinding("/dev/fuse")];
}

function deviceFinding(path: string): Finding {
  const check = "mount runtime";
  if (!existsSync(path)) {
    return {
      check,
      status: "problem",
      what: `There is no ${path}`,
      fix: "Run: modprobe fuse; in a container, pass the device in",
    };
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return { check, status: "ok", what: `${path} can be opened` };
  } catch {
    return {
      check,
      status: "problem",
      what: `This user may not open ${path}`,
      fix: `Run as root: chmod 666 ${path}`,
    };
  }
}

/** What was tried on this machine; see capabilities/exec/launch/available.ts. */
export interface TriedConfinement {
  readonly can_restrict: boolean;
  readonly protection: "namespace" | "landlock" | "none";
  readonly landlock_version: number;
  readonly groups: readonly { readonly version: 1 | 2; readonly controllers: readonly string[] }[];
}

/** Where and for whom. */
export interface ContainmentOptions {
  readonly platform: string;
  readonly isRoot: boolean;
  /** `policy.exec.protect`, where there is a policy. */
  readonly protect?: unknown;
}

/** What commands run on this node are kept from. */
export function checkContainment(
  tried: TriedConfinement,
  options: ContainmentOptions,
): readonly Finding[] {
  if (options.platform !== "linux") {
    return [
      {
        check: "sandbox",
        status: "note",
        what: `Commands run with all rights of this user on ${options.platform}`,
        fix: "Give exec.run only to those you would give a shell",
      },
    ];
  }
  const starter: readonly Finding[] = tried.can_restrict ? [] : [UNRESTRICTED];
  return [...starter, protectionFinding(tried, options), cgroupFinding(tried)];
}

/** Commands are started by C that is compiled where it runs. */
const UNRESTRICTED: Finding = {
  check: "sandbox",
  status: "problem",
  what: "Commands cannot be started with restrictions here: they run with protection none, and not at all where policy requires protection or limits; there are no terminals",
  fix: "Mount /proc, and let programs map memory that is executable (SELinux: execmem)",
};

/** As commands need it: files can be moved between folders. */
const LANDLOCK_MIN = 2;
const WAYS = { namespace: "mount namespace and Landlock", landlock: "Landlock" } as const;

function protectionFinding(
  { protection, landlock_version }: TriedConfinement,
  { isRoot, protect }: ContainmentOptions,
): Finding {
  const check = "sandbox";
  if (protect === "off") {
    return {
      check,
      status: "note",
      what: "Commands can read what this user can, the node's key too: policy.exec.protect is off",
      fix: "Set policy.exec.protect to auto, or give exec.run only to those you would give a shell",
    };
  }
  if (protection !== "none") {
    const what = `Commands are kept from the node's own files (protection ${protection}: ${WAYS[protection]})`;
    if (!isRoot) return { check, status: "ok", what };
    return {
      check,
      status: "note",
      what: `${what}, but as root they can ask other services of this machine to read them`,
      fix: "Run the daemon as a user of its own",
    };
  }
  const isThere = landlock_version >= LANDLOCK_MIN;
  const why = isThere
    ? "Landlock could not be put on a command"
    : "The kernel has no Landlock of version 2";
  return {
    check,
    status: "note",
    what: `${why}, so commands can read what this user can, the node's key too`,
    fix: isThere
      ? "Let the container's seccomp profile pass Landlock's calls; until then give exec.run only to those you would give a shell"
      : "Boot with lsm=landlock,…; until then give exec.run only to those you would give a shell",
  };
}

const LIMITABLE = ["memory", "pids"] as const;
/** What a limit is worth without a control group. */
const WITHOUT = {
  memory: "a limit on memory holds for each process alone",
  pids: "a limit on processes is not enforced",
} as const;

function cgroupFinding({ groups }: TriedConfinement): Finding {
  const check = "cgroups";
  const found = ([1, 2] as const).flatMap((wanted) => {
    const names = groups.flatMap(({ version, controllers }) =>
      version === wanted ? controllers : [],
    );
    return names.length === 0 ? [] : [`version ${wanted}: ${names.toSorted().join(", ")}`];
  });
  const missing = LIMITABLE.filter(
    (name) => !groups.some(({ controllers }) => controllers.includes(name)),
  );
  if (missing.length === 0) {
    const what = `Limits can hold for all processes of a command together (control groups of ${found.join("; ")})`;
    return { check, status: "ok", what };
  }
  return {
    check,
    status: "note",
    what: `This user can make no control group with ${missing.join(" or ")}${found.length > 0 ? ` (only of ${found.join("; ")})` : ""}: ${missing.map((name) => WITHOUT[name]).join(", and ")}`,
    fix: "Run the daemon as a service (operon daemon service install): systemd gives it control groups of its own, to a user's service where they are of version 2",
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
