// Finds lines of a valid policy that do not do what their author probably meant.
// It must never change a decision: findings are for people who read `config explain`.
// Next: compile.ts for what is refused outright.

import type { CompiledPolicy, CompiledRule } from "./compiled_policy.ts";
import type { Glob } from "./glob.ts";
import { isWithin } from "./glob.ts";

/** One finding. `warning`: probably not what was meant. `note`: a limit to know about. */
export interface PolicyFinding {
  readonly level: "warning" | "note";
  readonly code:
    | "role-unused"
    | "role-empty"
    | "principal-powerless"
    | "rule-shadowed"
    | "rule-repeated"
    | "rule-never-matches"
    | "glob-suspicious"
    | "cannot-promise";
  readonly message: string;
  readonly hint: string;
  readonly role?: string;
  readonly file?: string;
  readonly line?: number;
}

/** Every finding about a policy, in the order of the file. */
export function lintPolicy(policy: CompiledPolicy): readonly PolicyFinding[] {
  return [
    ...lintPrincipals(policy),
    ...[...policy.roles].flatMap(([role, rules]) => lintRole(policy, role, rules)),
  ];
}

function lintPrincipals(policy: CompiledPolicy): PolicyFinding[] {
  return [...policy.principals.values()]
    .filter(({ roles }) => !roles.some((role) => (policy.roles.get(role)?.length ?? 0) > 0))
    .map(({ name }) => ({
      level: "warning",
      code: "principal-powerless",
      message: `Principal ${name} has no role with rules, so everything it asks is denied`,
      hint: "Give it a role, or remove it",
    }));
}

function lintRole(
  policy: CompiledPolicy,
  role: string,
  rules: readonly CompiledRule[],
): PolicyFinding[] {
  const findings: PolicyFinding[] = [];
  const isUsed = [...policy.principals.values()].some(({ roles }) => roles.includes(role));
  if (!isUsed) {
    findings.push({
      level: "warning",
      code: "role-unused",
      message: `No principal has the role ${role}`,
      hint: "Invite with it, name it on a principal, or remove it",
      role,
    });
  }
  if (rules.length === 0) {
    findings.push({
      level: "warning",
      code: "role-empty",
      message: `The role ${role} has no rules, so it allows nothing`,
      hint: "Add rules, or remove it",
      role,
    });
  }
  for (const rule of rules) findings.push(...lintRule(rule, rules));
  return findings;
}

function lintRule(rule: CompiledRule, rules: readonly CompiledRule[]): PolicyFinding[] {
  const found: Pick<PolicyFinding, "level" | "code" | "message" | "hint">[] = [];
  for (const pattern of rule.document.on ?? []) {
    if (!/[{}[\]\\]/.test(pattern)) continue;
    found.push({
      level: "warning",
      code: "glob-suspicious",
      message: `${rule.label}: ${pattern} means the characters { } [ ] \\ literally`,
      hint: "Only *, ** and ? are special; list several globs instead",
    });
  }
  const stronger = rules.find((other) => other !== rule && shadows(other, rule));
  if (stronger) {
    const isRepeated = stronger.verdict === rule.verdict;
    found.push({
      level: "warning",
      code: isRepeated ? "rule-repeated" : "rule-shadowed",
      message: isRepeated
        ? `${rule.label} adds nothing to ${stronger.label}`
        : `${rule.label} never decides: ${stronger.label} is stricter and covers all of it`,
      hint: "Remove it, or narrow the other one",
    });
  }
  if (rule.verdict === "deny" && !rules.some((other) => overlaps(rule, other))) {
    found.push({
      level: "note",
      code: "rule-never-matches",
      message: `${rule.label}: its role allows none of these operations anyway`,
      hint: "Harmless, and useful when another role of the same principal allows them",
    });
  }
  for (const limit of rule.cannot_promise) {
    found.push({
      level: "note",
      code: "cannot-promise",
      message: `${rule.label}: ${limit}`,
      hint: "Do not rely on this rule alone",
    });
  }
  const { role, file, line } = rule.location;
  return found.map((finding) => ({
    ...finding,
    role,
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
  }));
}

const STRICTNESS = { allow: 0, ask: 1, deny: 2 } as const;

/** Whether `other` applies, at least as strictly, wherever `rule` does. Of two equal rules the first shadows the second. */
function shadows(other: CompiledRule, rule: CompiledRule): boolean {
  const stricter = STRICTNESS[other.verdict] - STRICTNESS[rule.verdict];
  if (stricter < 0) return false;
  if (stricter === 0 && other.location.index > rule.location.index) return false;
  if (Object.keys(other.document.when ?? {}).length > 0) return false;
  if (!rule.operations.every((id) => other.operations.includes(id))) return false;
  if (other.globs.length === 0) return true;
  if (rule.globs.length === 0) return false;
  return rule.globs.every((inner) => other.globs.some((outer) => covers(outer, inner)));
}

/** Whether everything `inner` matches is matched by `outer`, as far as it is easy to see. */
function covers(outer: Glob, inner: Glob): boolean {
  if (outer.pattern === inner.pattern) return true;
  if (inner.form === "literal") return outer.matches(inner.prefix);
  if (outer.form !== "subtree") return false;
  if (inner.form === "subtree") return isWithin(inner.prefix, outer.prefix);
  return inner.prefix.startsWith(`${outer.prefix}/`);
}

function overlaps(rule: CompiledRule, other: CompiledRule): boolean {
  return other.verdict !== "deny" && rule.operations.some((id) => other.operations.includes(id));
}
