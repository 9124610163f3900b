// The answer to "may this principal do this?": a pure function of a compiled policy and a question.
// It must never do I/O, read a clock, or widen authority in doubt: unknown principals, operations and facts are denied.
// Next: compile.ts makes the policy; node/invoke asks the questions and records usage.
//
// Reason codes (stable: scripts and audit logs hold them)
//   allowed                      an allow rule matches and nothing stricter does
//   approval-required            an ask rule matches and no deny rule does
//   denied-by-rule               a deny rule matches
//   no-matching-rule             nothing matches: the default
//   principal-unknown            no principal has this key
//   role-missing                 the principal has no role
//   unsupported-action           the node has no such operation
//   resource-missing             the call names no resource, so nothing can be allowed
//   mount-read-only              a change below a mount with `read_only: true`
//   time-not-allowed             an allow rule would match but for its `time`
//   rate-exceeded                … its `rate`
//   budget-exceeded              … its `budget`
//   relay-not-allowed            … its `via`
//   tailnet-not-allowed          … its `tailnet`
//   <capability>-<caveat>-denied … a condition of the capability: `exec-cwd-denied`, `exec-argv-denied`

import type { Decision, Verdict } from "../decision.ts";
import type { CaveatMatch } from "./caveat.ts";
import type {
  CompiledPolicy,
  CompiledPrincipal,
  CompiledRule,
  OperationEffect,
} from "./compiled_policy.ts";
import type { Condition, UsageLookup } from "./condition.ts";
import type { Bucket, IndexedRule } from "./resource_index.ts";

/** What policy is asked. Roles are not part of it: only policy says who has which. */
export interface Question {
  /** Key id of the signer, which the wire has verified. */
  readonly principal_id: string;
  /** Key id of the relay, when the signer is not the session's other end. */
  readonly via_id?: string | undefined;
  readonly operation: string;
  readonly effect: OperationEffect;
  /** Everything the call touches; all must be allowed. */
  readonly accesses: readonly { readonly resource: string; readonly as?: string | undefined }[];
  readonly facts: Readonly<Record<string, unknown>>;
  readonly now_ms: number;
  /** What was used under a rule's key; see usage.ts. */
  readonly usage: UsageLookup;
}

/** A decision, and the keys the node counts usage under once it acts on it. */
export interface Evaluation {
  readonly decision: Decision;
  /** For `UsageLedger.record`; empty unless rules with a rate or a budget allowed the call. */
  readonly usage_keys: readonly string[];
}

/** Decides; see {@link evaluate} where usage is counted. */
export function decide(policy: CompiledPolicy, question: Question): Decision {
  return evaluate(policy, question).decision;
}

const NO_KEYS: readonly string[] = [];

/** Decides all accesses of a call: the strictest answer wins, the first of equals is the one explained. */
export function evaluate(policy: CompiledPolicy, question: Question): Evaluation {
  const principal = policy.principals.get(question.principal_id);
  const refusal = refuseEarly(policy, question, principal);
  if (refusal || !principal) return { decision: refusal!, usage_keys: NO_KEYS };
  let answer: Decision | undefined;
  let usageKeys = NO_KEYS;
  for (const access of question.accesses) {
    const operation = access.as ?? question.operation;
    const { decision, rule } = decideAccess(policy, {
      question,
      principal,
      operation,
      resource: access.resource,
    });
    if (decision.verdict === "deny") return { decision, usage_keys: NO_KEYS };
    if (rule?.usage_key !== undefined) {
      const key = rule.usage_key + question.principal_id;
      if (!usageKeys.includes(key)) usageKeys = [...usageKeys, key];
    }
    if (!answer || (answer.verdict === "allow" && decision.verdict === "ask")) answer = decision;
  }
  return { decision: answer!, usage_keys: usageKeys };
}

function refuseEarly(
  policy: CompiledPolicy,
  question: Question,
  principal: CompiledPrincipal | undefined,
): Decision | undefined {
  const { operation } = question;
  const deny = (reason: string, explanation: string): Decision => ({
    verdict: "deny",
    reason,
    operation,
    explanation,
  });
  if (!principal) {
    return deny("principal-unknown", `${question.principal_id} is no principal of this node`);
  }
  if (principal.roles.length === 0) {
    return deny("role-missing", `${principal.name} has no role, so nothing is allowed`);
  }
  if (!policy.operations.has(operation)) {
    return deny("unsupported-action", `This node has no operation ${operation}`);
  }
  if (question.accesses.length === 0) {
    return deny("resource-missing", `${operation} named no resource, so nothing can allow it`);
  }
  return undefined;
}

interface AccessQuestion {
  readonly question: Question;
  readonly principal: CompiledPrincipal;
  readonly operation: string;
  readonly resource: string;
}

interface AccessAnswer {
  readonly decision: Decision;
  readonly rule?: CompiledRule;
}

function decideAccess(policy: CompiledPolicy, access: AccessQuestion): AccessAnswer {
  const { principal, operation, resource, question } = access;
  const buckets = principal.rules.get(operation)?.candidates(resource) ?? [];
  const denied = firstApplying(buckets, { verdict: "deny", resource, question });
  if (denied) return answer(access, { rule: denied, verdict: "deny", reason: "denied-by-rule" });
  const readOnly = readOnlyMount(policy, access);
  if (readOnly) return { decision: readOnly };
  const asked = firstApplying(buckets, { verdict: "ask", resource, question });
  const misses: Miss[] = [];
  const allowed = asked ?? firstApplying(buckets, { verdict: "allow", resource, question, misses });
  if (!allowed) return { decision: nothingMatched(access, misses) };
  return answer(
    access,
    asked
      ? { rule: asked, verdict: "ask", reason: "approval-required" }
      : { rule: allowed, verdict: "allow", reason: "allowed" },
  );
}

const VERBS: Record<Verdict, string> = {
  allow: "allows",
  ask: "requires approval for",
  deny: "denies",
};

function answer(
  { operation, resource }: AccessQuestion,
  found: { readonly rule: CompiledRule; readonly verdict: Verdict; readonly reason: string },
): AccessAnswer {
  const { rule, verdict, reason } = found;
  return {
    rule,
    decision: {
      verdict,
      reason,
      rule: rule.location,
      resource,
      operation,
      explanation: `${rule.label} ${VERBS[verdict]} ${operation} on ${resource}`,
    },
  };
}

/** An allow rule that matched but for one of its conditions. */
interface Miss {
  readonly rule: CompiledRule;
  readonly condition: Condition;
}

interface Search {
  readonly verdict: Verdict;
  readonly resource: string;
  readonly question: Question;
  readonly misses?: Miss[];
}

/** The first rule, in the order of the file, that applies. */
function firstApplying(
  buckets: readonly Bucket<CompiledRule>[],
  search: Search,
): CompiledRule | undefined {
  let first: IndexedRule<CompiledRule> | undefined;
  for (const bucket of buckets) {
    for (const entry of bucket[search.verdict]) {
      if (first && entry.ordinal >= first.ordinal) break;
      if (entry.glob && !entry.glob.matches(search.resource)) continue;
      if (!applies(entry, search)) continue;
      first = entry;
      break;
    }
  }
  return first?.rule;
}

/** An allow rule needs every condition to hold; any other applies unless one fails: doubt never widens authority. */
function applies({ rule, conditions }: IndexedRule<CompiledRule>, search: Search): boolean {
  for (const condition of conditions) {
    const match = testCondition(condition, search.question);
    if (match === "holds" || (match === "unknown" && search.verdict !== "allow")) continue;
    if (search.misses && search.misses.length < 16) search.misses.push({ rule, condition });
    return false;
  }
  return true;
}

/** A condition that throws, or answers something else, does not know. */
function testCondition(condition: Condition, question: Question): CaveatMatch {
  try {
    const match = condition.test(question);
    return match === "holds" || match === "fails" ? match : "unknown";
  } catch {
    return "unknown";
  }
}

function readOnlyMount(
  policy: CompiledPolicy,
  { question, operation, resource }: AccessQuestion,
): Decision | undefined {
  const effect = policy.operations.get(operation) ?? question.effect;
  if (effect === "read" || !resource.startsWith("fs:")) return undefined;
  const mount = policy.mounts.mounts.find(
    ({ name, read_only }) => read_only && resource.startsWith(`fs:${name}/`),
  );
  if (!mount) return undefined;
  return {
    verdict: "deny",
    reason: "mount-read-only",
    resource,
    operation,
    explanation: `The mount ${mount.name} is read-only, so ${operation} on ${resource} is denied`,
  };
}

function nothingMatched(access: AccessQuestion, misses: readonly Miss[]): Decision {
  const { principal, operation, resource } = access;
  const [near] = misses;
  const isOneKind =
    near && misses.every(({ condition }) => condition.reason === near.condition.reason);
  const but = near
    ? `; ${near.rule.label} would, but its condition ${near.condition.name} does not hold`
    : "";
  return {
    verdict: "deny",
    reason: isOneKind ? near.condition.reason : "no-matching-rule",
    resource,
    operation,
    explanation: `No rule of ${principal.name} (${principal.roles.join(", ")}) allows ${operation} on ${resource}${but}`,
  };
}
