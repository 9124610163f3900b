// Resident memory of a daemon: idle after its start, and at its peak while 1 GiB goes in and out.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timeCommand } from "./command.ts";
import { makeLargeFile } from "./large_file.ts";
import { startMesh } from "./mesh.ts";
import { type Figure, Missing, type Row } from "./row.ts";

const MEBIBYTE = 1024 * 1024;
/** How long a daemon is left alone before it counts as idle (ms). */
const IDLE_MS = 3000;

/** The row `memory`. */
export const memory: Row = {
  id: "memory",
  async measure(site) {
    if (process.platform !== "linux") throw new Missing("only Linux tells a process's peak");
    // Daemons of its own: those of other rows have a history.
    const { a, b, c } = await startMesh(site, "memory-mesh");
    await Bun.sleep(IDLE_MS);
    const idleBytes = residentBytes(b.daemon?.pid ?? 0, "VmRSS");
    makeLargeFile(join(b.workspace, "large.bin"));
    const home = c.home.path;
    const pid = b.daemon?.pid ?? 0;
    // The kernel forgets the peak so far.
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
    timeCommand([site.operon, "fs", "read", "b:/large.bin"], { home, output: "/dev/null" });
    const readBytes = residentBytes(pid, "VmHWM");
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
    const large = join(b.workspace, "large.bin");
    timeCommand([site.operon, "fs", "write", "b:/written.bin", "--file", large], { home });
    const writeBytes = residentBytes(pid, "VmHWM");
    for (const daemon of [a.daemon, b.daemon]) daemon?.kill();
    rmSync(b.workspace, { recursive: true, force: true });
    return [
      figure("memory, idle daemon", idleBytes, 60),
      figure("memory, peak serving 1 GiB", readBytes, 130),
      figure("memory, peak taking 1 GiB", writeBytes, 130),
    ];
  },
};

function figure(what: string, bytes: number, most: number): Figure {
  const mebibytes = bytes / MEBIBYTE;
  return {
    what,
    against: "",
    ours: `${mebibytes.toFixed(1)} MB`,
    ratio: mebibytes,
    unit: " MB",
    reach: { most },
  };
}

function residentBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status);
  return Number(match?.[1]) * 1024;
}
