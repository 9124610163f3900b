// One soak: every activity at once for a while, then a look at what is left of it.
// It must never judge memory by a single look: a runtime's memory goes up and down as it collects.
// Next: activity.ts for what goes on, usage.ts for what is measured, main.ts for how people start one.

import type { Random } from "../chaos/random.ts";
import { judgeDescriptors, judgeProcesses } from "../chaos/verdict.ts";
import { type Activity, repeat, type Tally } from "./activity.ts";
import { commandActivities } from "./command_activities.ts";
import { fileActivities } from "./file_activities.ts";
import { nodeActivities } from "./node_activities.ts";
import { serviceActivities } from "./service_activities.ts";
import { Site } from "./site.ts";
import { type Growth, growthOf, type Usage, usageOf } from "./usage.ts";

/** Everything that is done. */
export const ACTIVITIES: readonly Activity[] = [
  ...fileActivities,
  ...commandActivities,
  ...serviceActivities,
  ...nodeActivities,
];

/** How a soak is to be. */
export interface SoakOptions {
  /** Where nodes live; removed by whoever made it. */
  readonly folder: string;
  readonly executable: string;
  readonly random: Random;
  readonly duration_ms: number;
  /** How many times its memory after a warm-up a node may have at the end. */
  readonly growth_max: number;
  readonly activities: readonly Activity[];
  readonly log: (text: string) => void;
}

/** What a soak came to. */
export interface SoakReport {
  readonly broken: readonly string[];
  readonly nodes: Readonly<Record<string, NodeReport>>;
  readonly activities: Readonly<Record<string, Tally>>;
}

/** One node, before and after. */
export interface NodeReport {
  readonly before: Usage;
  readonly after: Usage;
  readonly memory: Growth;
}

const SAMPLE_MS = 1000;

/** Uses nodes and says what is left of it; never throws for a broken promise. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { random, duration_ms, activities, log } = options;
  await using site = await Site.open(options.folder, options.executable);
  const nodes = [site.a, site.b];
  const baselines = nodes.map((node) => node.descriptors());
  const before = nodes.map(usageOf);
  const samples: number[][] = nodes.map(() => []);
  const stop = new AbortController();
  const running = activities.map((activity) =>
    repeat(activity, { site, random: random.fork(activity.name), signal: stop.signal }),
  );
  const endMs = performance.now() + duration_ms;
  while (performance.now() < endMs) {
    await Bun.sleep(SAMPLE_MS);
    for (const [index, node] of nodes.entries()) samples[index]?.push(node.residentBytes());
    const memory = samples.map((resident) => mebibytes(resident.at(-1) ?? 0));
    log(`${Math.round((endMs - performance.now()) / 1000)} s to go, memory ${memory.join(", ")}`);
  }
  stop.abort();
  const tallies = await Promise.all(running);
  const broken = activities.flatMap(({ name }, index) => faultsOf(name, tallies[index] as Tally));
  const reports: Record<string, NodeReport> = {};
  for (const [index, node] of nodes.entries()) {
    const baseline = baselines[index] ?? [];
    for (const judge of [() => judgeProcesses(node), () => judgeDescriptors(node, baseline)])
      await judge().catch((error) => void broken.push(`${node.name}: ${error.message}`));
    const memory = growthOf(samples[index] ?? []);
    const after = usageOf(node);
    reports[node.name] = { before: before[index] as Usage, after, memory };
    broken.push(...excessOf(node.name, { after, memory }, options.growth_max));
  }
  const named = activities.map(({ name }, index) => [name, tallies[index] as Tally]);
  return { broken, nodes: reports, activities: Object.fromEntries(named) };
}

/** `46.1 MiB` */
export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function faultsOf(name: string, { rounds, unexpected }: Tally): string[] {
  const idle = rounds === 0 ? [`${name}: was never done`] : [];
  return [...idle, ...unexpected.map((text) => `${name}: ${text}`)];
}

function excessOf(
  name: string,
  { after, memory }: Omit<NodeReport, "before">,
  growthMax: number,
): string[] {
  const found: string[] = [];
  if (!(memory.ratio <= growthMax))
    found.push(`${name}: memory grew to ${memory.ratio.toFixed(2)} of what it was`);
  if (after.terminals > 0) found.push(`${name}: ${after.terminals} terminals are left`);
  if (after.temporary_files > 0)
    found.push(`${name}: ${after.temporary_files} temporary files are left`);
  return found;
}
