// Everything of real daemons at once, in short: `npm run soak` for some seconds, with a bound on memory that fits them.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../scripts/chaos/random.ts";
import { processesOfFolder } from "../scripts/chaos/verdict.ts";
import { ACTIVITIES, soak } from "../scripts/soak/soak.ts";

const executable = process.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../dist/operon");

test("nodes used for everything at once leave no process, descriptor, terminal or file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "operon-soak-"));
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
  try {
    const { broken } = await soak({
      folder,
      executable,
      random: new Random(seed),
      duration_ms: 15_000,
      // The first seconds are all warm-up.
      growth_max: 4,
      activities: ACTIVITIES,
      log: () => {},
    });
    expect({ seed, broken }).toEqual({ seed, broken: [] });
    expect(processesOfFolder(folder)).toEqual([]);
  } finally {
    for (const pid of processesOfFolder(folder)) process.kill(Number(pid), "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}, 240_000);
