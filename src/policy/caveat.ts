// A caveat is a condition a rule may carry under `when`. General ones (time, rate, budget) live in policy/;
// a capability defines its own (argv, cwd). It must never do I/O: facts are gathered before policy decides.
// Next: the `facts` resolver of contract/capability.ts; decide.ts for how a match counts.

import type { z } from "zod";

/**
 * Whether a caveat holds. `unknown`: the facts do not say. An allow rule needs `holds`;
 * a deny or ask rule applies unless `fails`: doubt never widens authority.
 */
export type CaveatMatch = "holds" | "fails" | "unknown";

/** A condition as a capability or the policy engine defines it. */
export interface CaveatDefinition {
  readonly summary: string;
  /** Schema of the value written in the rule. */
  readonly value: z.ZodType;
  /** Compiles the parsed value once; the returned test runs for each decision and must be pure and quick. */
  readonly compile: (value: never) => (facts: Readonly<Record<string, unknown>>) => CaveatMatch;
  /** What a deny or ask rule with this caveat cannot promise, if anything; `policy explain` and `config explain` show it. */
  readonly cannot_promise?: string;
}
