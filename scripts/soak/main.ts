// Runs one soak against the built executable and prints its figures; exits 1 when a bound is broken.
// It must never leave its nodes behind, also when it is interrupted.
// Next: soak.ts is the soak.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../chaos/random.ts";
import { processesOfFolder } from "../chaos/verdict.ts";
import { ACTIVITIES, mebibytes, type SoakReport, soak } from "./soak.ts";

const USAGE = `npm run soak -- [--minutes N] [--seed N] [--only NAME,NAME] [--json] [--verbose]

Everything at once, again and again, on two nodes and a third that comes and goes; default 10 minutes.
Fails when a daemon's memory grows by more than 10%, or a descriptor, terminal, process or file stays.

${ACTIVITIES.map(({ name }) => `  ${name}`).join("\n")}
`;
const GROWTH_MAX = 1.1;

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const only = values.only?.split(",");
const activities = ACTIVITIES.filter(({ name }) => only?.includes(name) ?? true);
const duration_ms = Number(values.minutes) * 60_000;
if (values.help || activities.length === 0 || !(duration_ms > 0)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
const folder = mkdtempSync(join(tmpdir(), "operon-soak-"));
process.on("exit", () => {
  for (const pid of processesOfFolder(folder)) process.kill(Number(pid), "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => process.exit(130));

const report = await soak({
  folder,
  executable: Bun.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../../dist/operon"),
  random: new Random(seed),
  duration_ms,
  growth_max: GROWTH_MAX,
  activities,
  log: (text) => values.verbose && console.error(`  ${text}`),
});
if (values.json) console.log(JSON.stringify({ seed, ...report }, null, 2));
else print(report);
process.exit(report.broken.length === 0 ? 0 : 1);

function print({ nodes, activities: tallies, broken }: SoakReport): void {
  console.log(`seed ${seed}, ${values.minutes} minutes`);
  for (const [name, { rounds, failures, slowest_ms }] of Object.entries(tallies))
    console.log(
      `${name.padEnd(20)} ${rounds} rounds, ${failures} failed, at most ${slowest_ms} ms`,
    );
  for (const [name, { before, after, memory }] of Object.entries(nodes)) {
    const { first_bytes, last_bytes, ratio } = memory;
    const grown = `${mebibytes(first_bytes)} -> ${mebibytes(last_bytes)} (${ratio.toFixed(2)})`;
    console.log(`${name}: memory ${grown}`);
    for (const what of ["descriptors", "terminals", "processes", "temporary_files"] as const)
      console.log(`${name}: ${what} ${before[what]} -> ${after[what]}`);
  }
  for (const text of broken) console.log(`BROKEN  ${text}`);
  if (broken.length > 0) console.log(`Again: npm run soak -- --seed ${seed}`);
}
