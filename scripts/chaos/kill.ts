// Power to the process cut off: SIGKILL in the middle of everything, again and again, also while it starts.
// It must never let the load rest while it kills.
// Next: verdict.ts says what must hold after each round.

import { join } from "node:path";
import { freePort } from "../../test/harness/free_port.ts";
import { Load } from "./load.ts";
import { NodeProcess } from "./node_process.ts";
import { judge } from "./verdict.ts";
import { pause, type Scenario, type World } from "./world.ts";

/** Longest a node may take to serve everybody again (ms). */
const BACK_MS = 20_000;

/** kill -9 of real daemons under load. */
export const killScenario: Scenario = {
  name: "kill",
  summary: "kill -9 of the serving node, the calling node, or both, under load and while starting",
  rounds: 50,
  run,
};

async function run({ folder, executable, random, rounds, log }: World): Promise<string> {
  const make = (name: string) =>
    new NodeProcess({
      name,
      folder: join(folder, name),
      executable,
      listen: `127.0.0.1:${freePort()}`,
    });
  await using a = make("a");
  await using b = make("b");
  a.configure([b]);
  b.configure([a]);
  await Promise.all([a.start(), b.start()]);
  const baseline = a.descriptors();
  const load = new Load({ target: a, through: [a, a, a, b, b], random });
  let slowestMs = 0;
  for (let round = 1; round <= rounds; round++) {
    const stop = load.start();
    await load.served(BACK_MS);
    await pause(random.between(0, 300));
    const victims = random.pick([[a], [a], [b], [a, b]]);
    await Promise.all(victims.map((node) => node.kill()));
    // Some starts are cut short as well: a repair must itself be safe to interrupt.
    for (const node of victims) {
      if (!random.chance(0.3)) continue;
      node.spawn();
      await pause(random.between(1, 120));
      await node.kill();
    }
    const startsMs = await Promise.all(victims.map((node) => node.start()));
    slowestMs = Math.max(slowestMs, ...startsMs);
    await load.served(BACK_MS);
    await stop();
    await judge(a, { loads: [load], baseline });
    log(`round ${round}: ${victims.map(({ name }) => name)} killed; ${load.summary()}`);
  }
  return `${rounds} kills, slowest start ${Math.round(slowestMs)} ms, ${load.summary()}`;
}
