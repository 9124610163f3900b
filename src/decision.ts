// What policy answers: a verdict, the stable reason for it, and the rule that made it.
// It must never depend on anything but policy's inputs.
// Next: policy/decide.ts makes decisions; audit, traces and receipts carry them.

/** What a decision allows. */
export type Verdict = "allow" | "ask" | "deny";

/** Where a rule stands. */
export interface RuleLocation {
  readonly role: string;
  /** Index in the role's list, from 0. */
  readonly index: number;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

/** The answer of policy to one question; its `reason` codes are listed in policy/decide.ts. */
export interface Decision {
  readonly verdict: Verdict;
  /** Stable code, e.g. `allowed`, `no-matching-rule`, `denied-by-rule`. */
  readonly reason: string;
  /** The rule that decided; absent when none matched. */
  readonly rule?: RuleLocation;
  /** The access (resource and operation) that decided, when a call touches several. */
  readonly resource?: string;
  readonly operation?: string;
  /** A sentence for people. */
  readonly explanation: string;
}
