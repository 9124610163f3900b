// Real harm to real daemons, in short: the scenarios of `npm run chaos`, a few rounds of each.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clockScenario } from "../scripts/chaos/clock_jump.ts";
import { diskScenario } from "../scripts/chaos/disk.ts";
import { hostileScenario } from "../scripts/chaos/hostile_peer.ts";
import { killScenario } from "../scripts/chaos/kill.ts";
import { partitionScenario } from "../scripts/chaos/partition.ts";
import { Random } from "../scripts/chaos/random.ts";
import { processesOfFolder } from "../scripts/chaos/verdict.ts";
import type { Scenario } from "../scripts/chaos/world.ts";

const executable = process.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../dist/operon");
const TIMEOUT_MS = 60_000;

/** Every run another one, and each can be had again with the seed that a failure names. */
async function survives(scenario: Scenario, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), `operon-chaos-${scenario.name}-`));
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
  const random = new Random(seed).fork(scenario.name);
  try {
    await scenario.run({ random, folder, executable, rounds, log: () => {} });
    expect(processesOfFolder(folder)).toEqual([]);
  } catch (error) {
    const again = `npm run chaos -- --seed ${seed} --rounds ${rounds} --only ${scenario.name}`;
    throw new Error(`${(error as Error).message}\nAgain: ${again}`, { cause: error });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test(
  "attack 36: nodes killed under load start by themselves and keep what they acknowledged",
  () => survives(killScenario, 5),
  TIMEOUT_MS,
);

test(
  "attack 35: a node whose disk is full refuses, keeps what it acknowledged, and goes on by itself",
  () => survives(diskScenario, 2),
  TIMEOUT_MS,
);

test(
  "attack 13: a node whose clock jumps serves its user, verifies its log, and starts again",
  () => survives(clockScenario, 3),
  TIMEOUT_MS,
);

test(
  "a network that swallows everything ends calls in time, and they work again when it is back",
  () => survives(partitionScenario, 1),
  TIMEOUT_MS,
);

test(
  "attack 10: peers that stall, lie and flood cost others nothing but moments",
  () => survives(hostileScenario, 8),
  TIMEOUT_MS,
);
