// What every chaos scenario is given, what it says of itself, and how it says that something is not as promised.
// It must never hold what only one scenario needs.
// Next: main.ts runs scenarios; node_process.ts and load.ts are what they are made of.

import type { Random } from "./random.ts";

/** Where a scenario happens. */
export interface World {
  readonly random: Random;
  /** An empty folder of its own, removed afterwards. */
  readonly folder: string;
  /** The executable under test. */
  readonly executable: string;
  /** How often to do the harm. */
  readonly rounds: number;
  /** Tells a person what is going on. */
  readonly log: (text: string) => void;
}

/** One kind of harm and what must hold after it. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** Rounds of a full run. */
  readonly rounds: number;
  /** Throws when a promise is broken; gives a line about what happened. */
  run(world: World): Promise<string>;
}

/** Ends the scenario as failed when a promise does not hold. */
export function must(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new Error(promise);
}

/** Waits until a condition holds. @throws when it does not within `withinMs` */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  { withinMs, promise }: { readonly withinMs: number; readonly promise: () => string },
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await condition())) {
    must(performance.now() < endMs, `${promise()} (not within ${withinMs} ms)`);
    await pause(10);
  }
}

/** Lets time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
