// A disk that fills up under load, on a small tmpfs of its own: log, home and workspace on it together.
// It must never fill a disk that anything else uses.
// Next: audit/log.ts says what a full disk means for a call.

import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/harness/free_port.ts";
import { collect, textStream } from "../../test/harness/mesh.ts";
import { Load } from "./load.ts";
import { NodeProcess } from "./node_process.ts";
import { judge } from "./verdict.ts";
import { eventually, must, pause, type Scenario, type World } from "./world.ts";

const BACK_MS = 20_000;
const DISK_MIB = 12;
/** What a full disk may end calls with. */
const FULL = ["audit.unavailable", "audit.outcome_unrecorded", "fs.no_space"];

/** Full disk under load. */
export const diskScenario: Scenario = {
  name: "disk",
  summary: "the disk of a node fills up, also while it is killed and started, and gets room again",
  rounds: 10,
  run,
};

async function run({ folder, executable, random, rounds, log }: World): Promise<string> {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  await mount(disk);
  try {
    await using a = new NodeProcess({
      name: "a",
      folder: join(disk, "a"),
      executable,
      listen: `127.0.0.1:${freePort()}`,
    });
    await a.start();
    const baseline = a.descriptors();
    const load = new Load({
      target: a,
      through: [a, a, a, a],
      random,
      tolerated: FULL,
      withoutCommands: true,
    });
    for (let round = 1; round <= rounds; round++) {
      const stop = load.start();
      await load.served(BACK_MS);
      const filler = join(disk, "filler");
      fill(disk, filler, random.between(0, 64));
      await eventually(() => FULL.some((code) => load.errors.has(code)), {
        withinMs: BACK_MS,
        promise: () => `A full disk is noticed: ${load.summary()}`,
      });
      await mustRefuse(a, disk);
      const isKilled = random.chance(0.5);
      if (isKilled) {
        await a.kill();
        await mustStartOrSay(a);
      }
      await pause(random.between(0, 200));
      rmSync(filler);
      if (!a.isRunning) await a.start();
      await load.served(BACK_MS);
      await stop();
      await judge(a, { loads: [load], baseline });
      log(`round ${round}:${isKilled ? " killed while full;" : ""} ${load.summary()}`);
      for (const code of FULL) load.errors.delete(code);
    }
    return `${rounds} times full, ${load.summary()}`;
  } finally {
    await Bun.$`umount -l ${disk}`.quiet();
  }
}

async function mount(disk: string): Promise<void> {
  const mounted = await Bun.$`mount -t tmpfs -o size=${DISK_MIB}m tmpfs ${disk}`.nothrow().quiet();
  must(mounted.exitCode === 0, `A small tmpfs can be mounted (as root): ${mounted.stderr}`);
}

/** Takes all room but some KiB. */
function fill(disk: string, filler: string, leftKib: number): void {
  for (const piece of [1024 * 1024, 64 * 1024, 4096]) {
    const bytes = Buffer.alloc(piece);
    try {
      for (;;) writeFileSync(filler, bytes, { flag: "a" });
    } catch {
      // Full, as far as pieces of this size go.
    }
  }
  const { size } = Bun.file(filler);
  truncateSync(filler, Math.max(0, size - leftKib * 1024));
  must(statfsSync(disk).bavail * 4096 <= 2 * 1024 * 1024, "The disk is full");
}

/** On a disk with no room left at all nothing is done, and the reason is told. */
async function mustRefuse(node: NodeProcess, disk: string): Promise<void> {
  const last = join(disk, "last");
  fill(disk, last, 0);
  await using caller = await node.caller();
  for (let attempt = 0; attempt < 5; attempt++) {
    const { error } = await collect(caller, {
      node: "local",
      operation: "fs.write",
      input: { path: "/never" },
      // More than others can make room for meanwhile by replacing what they wrote.
      options: { outgoing: textStream("x".repeat((DISK_MIB / 2) * 1024 * 1024)) },
    });
    must(error !== undefined, "A write on a full disk is not acknowledged");
    must(
      FULL.includes(error.code),
      `A full disk is told as such, not as ${error.code}: ${error.message}`,
    );
  }
  rmSync(last);
}

/** A start on a full disk either works or ends with a reason; it never hangs. */
async function mustStartOrSay(node: NodeProcess): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    const { message } = error as Error;
    must(/audit|space|ENOSPC/i.test(message), `A start on a full disk says why: ${message}`);
  }
}
