// Bounds what one case of a verdict table may cost: a table may come from a peer, rules and all, and a decision is made in
// one go, during which nobody else is served.
// It must never refuse a table that a person would write.
// Next: suite.ts asks before each case; glob.ts and argv.ts promise time that grows with pattern times text, no more.

import { OperonError } from "../error.ts";
import type { CompiledPolicy, CompiledRule } from "./compiled_policy.ts";
import type { Question } from "./decide.ts";

/** Characters of patterns times characters they are compared with: under a second at worst. */
export const CASE_STEPS_MAX = 2 ** 25;

/** What the rules of a role have to be compared with. */
interface PatternSizes {
  /** Of globs that no index answers. */
  readonly globs: number;
  readonly conditions: number;
}

/** Measures the cases of one table. */
export class SuiteCost {
  readonly #policy: CompiledPolicy;
  readonly #roles = new Map<string, PatternSizes>();

  constructor(policy: CompiledPolicy) {
    this.#policy = policy;
  }

  /** @throws OperonError `policy.suite_too_costly` */
  assertBearable(name: string, { principal_id, accesses, facts }: Question): void {
    const factsLength = JSON.stringify(facts).length;
    const resourcesLength = accesses.reduce((sum, { resource }) => sum + resource.length, 0);
    let steps = 0;
    for (const role of this.#policy.principals.get(principal_id)?.roles ?? []) {
      const { globs, conditions } = this.#sizesOf(role);
      steps += globs * resourcesLength + conditions * factsLength * accesses.length;
    }
    if (steps <= CASE_STEPS_MAX) return;
    throw new OperonError({
      code: "policy.suite_too_costly",
      kind: "resource_exhausted",
      message: `The case ${JSON.stringify(name)} compares too many long patterns with too long texts`,
      hint: "Give it fewer or shorter resources and facts, or its role fewer patterns",
    });
  }

  #sizesOf(role: string): PatternSizes {
    let sizes = this.#roles.get(role);
    if (!sizes) {
      const rules = this.#policy.roles.get(role) ?? [];
      sizes = { globs: sum(rules.map(globsLength)), conditions: sum(rules.map(conditionsLength)) };
      this.#roles.set(role, sizes);
    }
    return sizes;
  }
}

function globsLength({ globs }: CompiledRule): number {
  return sum(globs.map(({ form, pattern }) => (form === "general" ? pattern.length : 0)));
}

function conditionsLength({ document }: CompiledRule): number {
  return document.when === undefined ? 0 : JSON.stringify(document.when).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
