// The condition `tailnet`: whose machine the call came from, as the tailnet knows it.
// It must never ask anybody: the node looks it up when a connection is made.
// Next: node/tailnet.ts fills the fact in.

import { z } from "zod";
import type { CaveatMatch } from "./caveat.ts";
import type { ConditionContext } from "./condition.ts";
import { compileGlob } from "./glob.ts";

/** Value of `tailnet`: globs, of which one must match. */
export const TailnetSchema = z.array(z.string().min(1).max(320)).min(1).max(100);

/** Compiles the globs. The fact is a user's login name, or a list of the machine's tags. */
export function compileTailnet(
  patterns: z.output<typeof TailnetSchema>,
): (context: Pick<ConditionContext, "facts">) => CaveatMatch {
  const globs = patterns.map(compileGlob);
  return ({ facts: { tailnet } }) => {
    const identities = typeof tailnet === "string" ? [tailnet] : tailnet;
    if (!isTexts(identities) || identities.length === 0) return "unknown";
    return identities.some((identity) => globs.some((glob) => glob.matches(identity)))
      ? "holds"
      : "fails";
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
