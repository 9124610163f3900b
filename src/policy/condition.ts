// What a compiled condition is, and what it may look at when policy decides.
// It must never do I/O: everything it sees is in its context.
// Next: general_caveats.ts has those every rule may use; capabilities define their own (caveat.ts).

import type { CaveatMatch } from "./caveat.ts";

/** What was used of a rule in a window of time. */
export interface Usage {
  readonly calls: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Looks up what one key used in the last `window_ms`. */
export type UsageLookup = (key: string, window_ms: number) => Usage;

/** What a condition may look at. */
export interface ConditionContext {
  readonly principal_id: string;
  readonly via_id?: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly now_ms: number;
  readonly usage: UsageLookup;
}

/** One entry of a rule's `when`, compiled. */
export interface Condition {
  /** Its name under `when`. */
  readonly name: string;
  /** Reason code of a refusal that only this condition causes. */
  readonly reason: string;
  readonly test: (context: ConditionContext) => CaveatMatch;
}
