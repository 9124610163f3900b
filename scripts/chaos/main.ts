// Runs chaos scenarios one after another against the built executable and says which promise broke, if one did.
// It must never go on quietly: a failure prints the seed that replays it.
// Next: world.ts for what a scenario is; each scenario has a file.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { clockScenario } from "./clock_jump.ts";
import { diskScenario } from "./disk.ts";
import { hostileScenario } from "./hostile_peer.ts";
import { killScenario } from "./kill.ts";
import { partitionScenario } from "./partition.ts";
import { Random } from "./random.ts";
import type { Scenario } from "./world.ts";

const SCENARIOS: readonly Scenario[] = [
  killScenario,
  diskScenario,
  clockScenario,
  partitionScenario,
  hostileScenario,
];

const USAGE = `npm run chaos -- [--seed N] [--rounds N] [--only NAME,NAME] [--verbose]

${SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join("\n")}
`;

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    seed: { type: "string" },
    rounds: { type: "string" },
    only: { type: "string" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const executable = Bun.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../../dist/operon");
const chosen = choose(values.only);

if (values.help || !chosen) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
console.log(`seed ${seed}`);
let failed = 0;
for (const scenario of chosen) failed += (await runOne(scenario)) ? 0 : 1;
process.exit(failed === 0 ? 0 : 1);

async function runOne(scenario: Scenario): Promise<boolean> {
  const { name } = scenario;
  const folder = mkdtempSync(join(tmpdir(), `operon-chaos-${name}-`));
  const startMs = performance.now();
  try {
    const told = await scenario.run({
      random: new Random(seed).fork(name),
      folder,
      executable,
      rounds: values.rounds === undefined ? scenario.rounds : Number(values.rounds),
      log: (text) => values.verbose && console.log(`  ${text}`),
    });
    console.log(`ok      ${name}: ${told} (${Math.round((performance.now() - startMs) / 1000)} s)`);
    rmSync(folder, { recursive: true, force: true });
    return true;
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.log(`FAILED  ${name}: ${why}`);
    console.log(`Its files are in ${folder}`);
    console.log(`Again: npm run chaos -- --seed ${seed} --only ${name}`);
    return false;
  }
}

function choose(only: string | undefined): readonly Scenario[] | undefined {
  if (only === undefined) return SCENARIOS;
  const names = only.split(",");
  const isKnown = (name: string) => SCENARIOS.some((scenario) => scenario.name === name);
  return names.every(isKnown)
    ? SCENARIOS.filter((scenario) => names.includes(scenario.name))
    : undefined;
}
