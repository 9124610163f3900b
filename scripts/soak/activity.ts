// What is done during a soak: activities, each again and again until the time is over, all at once.
// It must never pass over an error: what an activity does not say may happen ends the soak as failed.
// Next: file_activities.ts, command_activities.ts, service_activities.ts, node_activities.ts.

import type { CallOptions } from "../../src/contract/caller.ts";
import { OperonError } from "../../src/error.ts";
import { type CallResult, collect } from "../../test/harness/mesh.ts";
import type { Random } from "../chaos/random.ts";
import { pause } from "../chaos/world.ts";
import type { Site, Way } from "./site.ts";

/** Where a round takes place. */
export interface Round {
  readonly site: Site;
  readonly random: Random;
  /** From 1. */
  readonly number: number;
}

/** One use of nodes. */
export interface Activity {
  readonly name: string;
  /** Once, leaving nothing behind. @throws OperonError what a call came to; Error when a promise is broken */
  round(round: Round): Promise<void>;
  /** Codes that a round may end with. */
  readonly tolerated?: readonly string[];
}

/** How often something was done, and what it came to. */
export interface Tally {
  rounds: number;
  failures: number;
  slowest_ms: number;
  /** What nobody should have seen; the first few. */
  readonly unexpected: string[];
}

/** Between two rounds (ms): a soak is not a load test. */
const REST_MS = 20;
const UNEXPECTED_MAX = 5;
/** Longest a round may take (ms), also on a machine that others keep busy; then something hangs. */
const ROUND_MS = 300_000;

/** Repeats an activity until the signal aborts. */
export async function repeat(
  activity: Activity,
  { site, random, signal }: Omit<Round, "number"> & { readonly signal: AbortSignal },
): Promise<Tally> {
  const tally: Tally = { rounds: 0, failures: 0, slowest_ms: 0, unexpected: [] };
  while (!signal.aborted) {
    const startMs = performance.now();
    try {
      const round = activity.round({ site, random, number: tally.rounds + 1 });
      await Promise.race([round, hung(activity.name)]);
    } catch (error) {
      const code = error instanceof OperonError ? error.code : "";
      if (activity.tolerated?.includes(code)) continue;
      tally.failures++;
      if (tally.unexpected.length < UNEXPECTED_MAX)
        tally.unexpected.push(`${code} ${error instanceof Error ? error.message : error}`.trim());
    } finally {
      tally.rounds++;
      tally.slowest_ms = Math.max(tally.slowest_ms, Math.round(performance.now() - startMs));
      await pause(REST_MS);
    }
  }
  return tally;
}

/** A call to its end. @throws OperonError */
export async function done(
  { caller, node }: Way,
  operation: string,
  input: unknown,
  options: CallOptions = {},
): Promise<CallResult> {
  const result = await collect(caller, { node, operation, input, options });
  if (result.error) throw result.error;
  return result;
}

async function hung(name: string): Promise<never> {
  await Bun.sleep(ROUND_MS);
  throw new Error(`A round of ${name} takes longer than ${ROUND_MS} ms`);
}
