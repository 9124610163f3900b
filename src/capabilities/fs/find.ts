// fs.find: entries below a folder by name, type, size and time.
// It must never show an entry of a folder that policy would not let the caller list.
// Next: search_walk.ts for where it goes.

import type { z } from "zod";
import { systemClock } from "../../clock.ts";
import type { Call } from "../../contract/capability.ts";
import { compileGlob } from "../../policy/glob.ts";
import { accessesOfListing } from "./access.ts";
import { describe } from "./describe.ts";
import type { Failing } from "./failure.ts";
import type { searchOperations } from "./search_operations.ts";
import { Walk, type WalkedEntry } from "./search_walk.ts";

type Find = (typeof searchOperations)["find"];
type Input = z.output<Find["input"]>;
type FoundEntry = z.input<Find["sends"]["item"]>;

/** Handler of `fs.find`. */
export async function* find(
  input: Input,
  call: Call<Find, "mounts">,
): AsyncGenerator<FoundEntry, z.input<Find["output"]>, undefined> {
  const { path, depth_max, limit } = input;
  const matches = matcher(input, call);
  const depthMax = depth_max ?? Number.POSITIVE_INFINITY;
  const walk = new Walk({ path, depthMax, accessesOf: accessesOfListing("fs.find") }, call);
  let found = 0;
  for await (const entry of walk.entries()) {
    if (!matches(entry)) continue;
    if (found === limit) return { found, truncated: true, skipped: walk.skipped };
    found++;
    yield { path: entry.path, ...describe(entry.stat) };
  }
  return { found, truncated: false, skipped: walk.skipped };
}

function matcher(input: Input, call: Failing): (entry: WalkedEntry) => boolean {
  const { type, size_min_bytes, size_max_bytes } = input;
  const isNamed = nameMatcher(input.name, call);
  const within = input.modified_within_secs;
  const afterMs = Math.max(
    timeMs(input.modified_after) ?? Number.NEGATIVE_INFINITY,
    within === undefined ? Number.NEGATIVE_INFINITY : systemClock.nowMs() - within * 1000,
  );
  const beforeMs = timeMs(input.modified_before) ?? Number.POSITIVE_INFINITY;
  return (entry) => {
    if (!isNamed(entry)) return false;
    const { stat } = entry;
    const modifiedMs = Number(stat.mtimeMs);
    if (modifiedMs < afterMs || modifiedMs >= beforeMs) return false;
    const size = Number(stat.size);
    if (size_min_bytes !== undefined && (!stat.isFile() || size < size_min_bytes)) return false;
    if (size_max_bytes !== undefined && (!stat.isFile() || size > size_max_bytes)) return false;
    return type === undefined || describe(stat).type === type;
  };
}

/** A glob without a slash is about the last part of a path, one with a slash about all of it below the start. */
export function nameMatcher(
  glob: string | undefined,
  call: Failing,
): (entry: Pick<WalkedEntry, "name" | "below">) => boolean {
  if (glob === undefined) return () => true;
  let matches: (text: string) => boolean;
  try {
    matches = compileGlob(glob).matches;
  } catch (error) {
    throw call.fail("pattern_invalid", { glob }, error);
  }
  return glob.includes("/") ? ({ below }) => matches(below) : ({ name }) => matches(name);
}

function timeMs(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
