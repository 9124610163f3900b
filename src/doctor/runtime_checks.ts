// What this machine can do for a node: mounting, limiting commands, keeping them from the node's own files.
// It must never change anything, nor need a configuration.
// Next: finding.ts; local_checks.ts looks at the home.

import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { compileC } from "../compiled_c.ts";
import { openLibc } from "../libc.ts";
import type { Finding } from "./finding.ts";

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

/** What commands run on this node can be kept from. */
export function checkContainment(): readonly Finding[] {
  if (process.platform !== "linux") {
    return [
      {
        check: "sandbox",
        status: "note",
        what: `Commands run with all rights of this user on ${process.platform}`,
        fix: "Give exec.run only to those you would give a shell",
      },
    ];
  }
  return [...starterFindings(), landlockFinding(), cgroupFinding()];
}

/** Commands are started by C that is compiled where it runs. */
function starterFindings(): readonly Finding[] {
  try {
    const { one } = compileC("long one(void) { return 1; }", { one: { returns: "i64" } });
    if (Number(one()) === 1) return [];
  } catch {
    // Said below.
  }
  return [
    {
      check: "sandbox",
      status: "problem",
      what: "Commands cannot be started with restrictions here: they run with protection none, and not at all where policy requires protection or limits; there are no terminals",
      fix: "Mount /proc, and let programs map memory that is executable (SELinux: execmem)",
    },
  ];
}

const LANDLOCK_CREATE_RULESET = 444n;
const LANDLOCK_ASK_VERSION = 1n;
/** As commands need it: files can be moved between folders. */
const LANDLOCK_MIN = 2;

function landlockFinding(): Finding {
  const calls = openLibc({ syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" } });
  const version = Number(calls.syscall(LANDLOCK_CREATE_RULESET, 0n, 0n, LANDLOCK_ASK_VERSION));
  if (version >= LANDLOCK_MIN) {
    const what = "Commands can be kept from the node's own files (Landlock)";
    if (process.geteuid?.() !== 0) return { check: "sandbox", status: "ok", what };
    return {
      check: "sandbox",
      status: "note",
      what: `${what}, but as root they can ask other services of this machine to read them`,
      fix: "Run the daemon as a user of its own",
    };
  }
  return {
    check: "sandbox",
    status: "note",
    what: "The kernel has no Landlock of version 2, so commands can read what this user can, the node's key too",
    fix: "Boot with lsm=landlock,…; until then give exec.run only to those you would give a shell",
  };
}

function cgroupFinding(): Finding {
  const own = readText("/proc/self/cgroup")
    .split("\n")
    .find((line) => line.startsWith("0::"));
  const controllers = readText("/sys/fs/cgroup/cgroup.controllers").trim();
  if (own !== undefined && /\bmemory\b/.test(controllers) && /\bpids\b/.test(controllers)) {
    return { check: "cgroups", status: "ok", what: `Version 2 with ${controllers}` };
  }
  return {
    check: "cgroups",
    status: "note",
    what: "No cgroup version 2 with memory and pids: commands are ended by walking their process tree",
    fix: "Boot with systemd.unified_cgroup_hierarchy=1 for limits that cannot be evaded",
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
