// The benchmarks: every row in turn, a table of ratios at the end. See scripts/bench.mjs for how to start it.
// It must never assert anything, install anything, or leave anything behind.
// Next: README.md tells how it is measured; row.ts says what a row is, site.ts where it runs.

import { parseArgs } from "node:util";
import { audit } from "./audit.ts";
import { bulk } from "./bulk.ts";
import { decision } from "./decision.ts";
import { doctor } from "./doctor.ts";
import { exec } from "./exec.ts";
import { flooded } from "./flooded.ts";
import { forward } from "./forward.ts";
import { memory } from "./memory.ts";
import { type Figure, Missing, type Row } from "./row.ts";
import { Site } from "./site.ts";
import { stalled } from "./stalled.ts";
import { start } from "./start.ts";
import { stat } from "./stat.ts";
import { isReached, tableLines } from "./table.ts";
import { terminal } from "./terminal.ts";
import { tree } from "./tree.ts";

const ROWS: readonly Row[] = [
  ...[start, exec, terminal, stat, bulk, tree, forward],
  ...[audit, decision, memory, stalled, flooded, doctor],
];

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const wanted = chosenRows(values.only);
const rounds = values.rounds === undefined ? undefined : Math.max(1, Number(values.rounds) || 1);
const site = new Site({ operon: process.env.OPERON_EXECUTABLE ?? "dist/operon", rounds });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Whatever still runs is killed and removed on the way out.
  process.on(signal, () => process.exit(130));
}

const figures: Figure[] = [];
for (const row of wanted) figures.push(...(await measured(row)));
await site[Symbol.asyncDispose]();
if (values.json) console.log(JSON.stringify(figures.map(toDocument), null, 2));
else console.log(tableLines(figures).join("\n"));
process.exit(0);

/** A row's figures; what breaks becomes a word in the table. */
async function measured(row: Row): Promise<readonly Figure[]> {
  console.error(`${row.id} ...`);
  try {
    return await row.measure(site);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Missing)) console.error(error);
    return [{ what: row.id, against: "", ours: "", reach: {}, skipped: why }];
  }
}

function chosenRows(only: string | undefined): readonly Row[] {
  if (only === undefined) return ROWS;
  const ids = only.split(",").map((id) => id.trim());
  const unknown = ids.find((id) => !ROWS.some((row) => row.id === id));
  if (unknown === undefined) return ROWS.filter((row) => ids.includes(row.id));
  console.error(`There is no row "${unknown}"; there are: ${ROWS.map((row) => row.id).join(", ")}`);
  process.exit(2);
}

function toDocument(figure: Figure) {
  return { ...figure, reached: isReached(figure) ?? null };
}
