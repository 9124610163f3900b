// The policy as plain JSON for people and surfaces: who has which roles, what each rule says and where it stands.
// It must never hold a secret: keys shown are public, and capability settings are left out.
// Next: lint.ts says what is odd about it.

import type { CompiledPolicy, CompiledRule } from "./compiled_policy.ts";
import { generalCaveats } from "./general_caveats.ts";

/** A rule as shown; `number` counts from 1 in its role. */
export interface RuleView {
  readonly number: number;
  readonly verdict: string;
  /** As written, patterns included. */
  readonly operations: readonly string[];
  readonly on?: readonly string[];
  readonly when?: Readonly<Record<string, unknown>>;
  readonly name?: string;
  readonly note?: string;
  readonly file?: string;
  readonly line?: number;
  readonly cannot_promise?: readonly string[];
}

/** A policy as shown. */
export interface PolicyDescription {
  readonly mounts: readonly {
    readonly name: string;
    readonly at: string;
    readonly path: string;
    readonly read_only: boolean;
  }[];
  readonly principals: readonly {
    readonly name: string;
    readonly key: string;
    readonly roles: readonly string[];
  }[];
  readonly roles: Readonly<Record<string, readonly RuleView[]>>;
  /** Conditions every rule may carry. */
  readonly conditions: Readonly<Record<string, string>>;
}

/** Shows a policy; a fresh value that shares nothing with it but plain data. */
export function showPolicy(policy: CompiledPolicy): PolicyDescription {
  return {
    mounts: policy.mounts.mounts.map(({ name, at, path, read_only }) => ({
      name,
      at,
      path,
      read_only,
    })),
    principals: [...policy.principals.values()].map(({ name, id, roles }) => ({
      name,
      key: id,
      roles: [...roles],
    })),
    roles: Object.fromEntries(
      [...policy.roles].map(([role, rules]) => [role, rules.map(showRule)]),
    ),
    conditions: Object.fromEntries(
      Object.entries(generalCaveats).map(([name, { summary }]) => [name, summary]),
    ),
  };
}

function showRule(rule: CompiledRule): RuleView {
  const { document, verdict, location } = rule;
  return {
    number: location.index + 1,
    verdict,
    operations: [...(document[verdict] ?? [])],
    ...(document.on ? { on: [...document.on] } : {}),
    ...(document.when ? { when: structuredClone(document.when) } : {}),
    ...(document.name === undefined ? {} : { name: document.name }),
    ...(document.note === undefined ? {} : { note: document.note }),
    ...(location.file === undefined ? {} : { file: location.file }),
    ...(location.line === undefined ? {} : { line: location.line }),
    ...(rule.cannot_promise.length === 0 ? {} : { cannot_promise: [...rule.cannot_promise] }),
  };
}
