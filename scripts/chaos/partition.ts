// A network that swallows everything between two nodes, for a moment or until they give up, and comes back.
// It must never reach a node over the network from outside: each is asked on its own machine, by its local socket.
// Next: network.ts makes the network; wire/session.ts notices silence.

import { join } from "node:path";
import { PEER_SILENCE_MAX_MS } from "../../src/limits.ts";
import { collect } from "../../test/harness/mesh.ts";
import { Load } from "./load.ts";
import { ADDRESSES, type End, Network } from "./network.ts";
import { NodeProcess } from "./node_process.ts";
import { judge } from "./verdict.ts";
import { must, pause, type Scenario, type World } from "./world.ts";

/** Longest a node may take to reach the other again once it could (ms): TCP doubles its pauses, too. */
const backMs = (cutMs: number) => 20_000 + 2 * cutMs;
/** What a call through a cut network may take longer than its deadline (ms). */
const LATE_MS = 2_000;

/** Partitions between real nodes. */
export const partitionScenario: Scenario = {
  name: "partition",
  summary: "the network between two nodes swallows everything; one of them may die meanwhile",
  rounds: 8,
  run,
};

async function run({ folder, executable, random, rounds, log }: World): Promise<string> {
  await using network = await Network.create();
  const make = (name: End) =>
    new NodeProcess({
      name,
      folder: join(folder, name),
      executable,
      listen: `${ADDRESSES[name]}:7789`,
      prefix: network.inside(name),
    });
  await using a = make("a");
  await using b = make("b");
  a.configure([b]);
  b.configure([a]);
  await Promise.all([a.start(), b.start()]);
  const baseline = a.descriptors();
  const local = new Load({ target: a, through: [a], random: random.fork("local") });
  const remote = new Load({
    target: a,
    through: [b, b, b],
    random: random.fork("remote"),
    timeout_ms: 3_000,
  });
  let longestMs = 0;
  for (let round = 1; round <= rounds; round++) {
    const stops = [local.start(), remote.start()];
    await Promise.all([local.served(backMs(0)), remote.served(backMs(0))]);
    // The last of a long run outlives what a session bears in silence.
    const isLong = rounds > 4 && round === rounds;
    const cutMs = isLong ? PEER_SILENCE_MAX_MS + 5_000 : random.between(200, 2_500);
    const end = random.pick(["a", "b"] as const);
    await network.cut(end);
    await local.served(backMs(0));
    await mustEndInTime(b);
    const isKilled = random.chance(0.4);
    if (isKilled) {
      await a.kill();
      await a.start();
    }
    await pause(cutMs);
    await network.heal(end);
    const healedMs = performance.now();
    await remote.served(backMs(cutMs));
    longestMs = Math.max(longestMs, performance.now() - healedMs);
    await Promise.all(stops.map((stop) => stop()));
    await judge(a, { loads: [local, remote], baseline });
    log(`round ${round}: ${cutMs} ms${isKilled ? ", killed" : ""}; ${remote.summary()}`);
  }
  return `${rounds} partitions, back after ${Math.round(longestMs)} ms at most, ${remote.summary()}`;
}

/** A call into the void ends when its deadline says so, and is not taken for success. */
async function mustEndInTime(b: NodeProcess): Promise<void> {
  await using caller = await b.caller();
  const startMs = performance.now();
  const input = { node: "a", operation: "node.info", input: {}, options: { timeout_ms: 500 } };
  const { error } = await collect(caller, input);
  const tookMs = performance.now() - startMs;
  must(error !== undefined, "A call through a cut network does not succeed");
  must(
    tookMs < 500 + LATE_MS,
    `It ends in time, not after ${Math.round(tookMs)} ms: ${error.code}`,
  );
}
