// Tables of expected verdicts: text in, one result a case out. `operon policy test` and policy-examples/ are such tables.
// It must never do what it decides about, and never call a case passed because a name in it was misspelt.
// Next: suite_schema.ts for the format; decide.ts for reason codes.

import { z } from "zod";
import { OperonError } from "../error.ts";
import type { CompiledPolicy, CompiledPrincipal, OperationEffect } from "./compiled_policy.ts";
import { placeOf } from "./compiled_policy.ts";
import type { Usage } from "./condition.ts";
import { decide, type Question } from "./decide.ts";
import { type Locate, locatedYaml } from "./located_yaml.ts";
import { nearestName, suggest } from "./nearest_name.ts";
import { policyShape } from "./schema.ts";
import { SuiteCost } from "./suite_cost.ts";
import { type SuiteCase, type SuiteDocument, SuiteSchema } from "./suite_schema.ts";

/** One row of a verdict table, as contract/services.ts shows it to callers. */
export interface SuiteResult {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly actual: string;
  /** Reason code, or why the case could not be asked at all. */
  readonly reason: string;
  /** Label of the rule that decided. */
  readonly rule?: string;
}

/** What a call with some input would touch. */
export interface Binding {
  readonly accesses: Question["accesses"];
  readonly facts: Question["facts"];
}

/** What a table is run with. */
export interface SuiteOptions {
  /** Shown in locations. */
  readonly file?: string;
  /** Decides when the table holds no policy. */
  readonly policy?: CompiledPolicy | undefined;
  /** Compiles the table's own `policy` section; `locate` takes paths inside that section. */
  readonly compile: (policy: unknown, locate: Locate) => CompiledPolicy | Promise<CompiledPolicy>;
  /** Finds accesses and facts of a case that gives `input`; without it such cases must name their resources. */
  readonly bind?: (
    operation: string,
    input: Readonly<Record<string, unknown>>,
    policy: CompiledPolicy,
  ) => Binding | Promise<Binding>;
  /** Ends it between two cases. */
  readonly signal?: AbortSignal | undefined;
}

/** Moment of a case that names none: a Monday at noon, UTC. */
const DEFAULT_NOW_MS = Date.UTC(2026, 0, 5, 12);

/**
 * Runs a table.
 * @throws OperonError `policy.yaml_invalid`, `policy.suite_invalid`, `policy.suite_too_costly`, or what `compile` throws
 */
export async function runSuite(
  text: string,
  options: SuiteOptions,
): Promise<readonly SuiteResult[]> {
  const { value, locate } = await locatedYaml(text, options.file);
  const suite = parseSuite(value, locate);
  const section = suite.policy && parseSection(suite.policy, locate);
  const policy = section
    ? await options.compile(section, (path) => locate(["policy", ...path]))
    : options.policy;
  if (!policy) {
    throw suiteInvalid("The table holds no `policy`, and there is none to test it against");
  }
  const results: SuiteResult[] = [];
  const cost = new SuiteCost(policy);
  for (const row of suite.cases) {
    options.signal?.throwIfAborted();
    const asked = await askable(row, policy, options);
    if (typeof asked !== "string") cost.assertBearable(row.name, asked);
    results.push(resultOf(row, policy, asked));
    // A table may come from a peer, rules and all: whatever it costs, others have their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return results;
}

function parseSuite(value: unknown, locate: Locate): SuiteDocument {
  const parsed = SuiteSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw suiteInvalid(describeIssue(parsed.error.issues[0], locate));
}

/** Checks what policy itself knows of the section; which other keys there may be only `compile` knows. */
function parseSection(
  section: Readonly<Record<string, unknown>>,
  locate: Locate,
): Readonly<Record<string, unknown>> {
  const own = Object.keys(policyShape);
  const parsed = z.looseObject(policyShape).safeParse(section);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw suiteInvalid(
      describeIssue(issue && { ...issue, path: ["policy", ...issue.path] }, locate),
    );
  }
  for (const key of Object.keys(section)) {
    const meant = own.includes(key) ? undefined : nearestName(key, own);
    if (meant === undefined) continue;
    const place = placeOf(locate(["policy", key]) ?? {});
    throw suiteInvalid(`${place}: policy.${key} is unknown, did you mean ${meant}?`);
  }
  // Verdicts go by virtual paths: nothing is opened, so it does not matter whose home folder `~` is.
  const mounts = parsed.data.mounts.map((mount) => ({
    ...mount,
    path: mount.path.replace(/^~(?=\/|$)/, "/home"),
  }));
  return { ...section, mounts };
}

type Issue = Pick<z.core.$ZodIssue, "path" | "message">;

function describeIssue(issue: Issue | undefined, locate: Locate): string {
  const place = placeOf(locate(issue?.path ?? []) ?? {});
  const where = [place, issue?.path.map(String).join(".")].filter(Boolean).join(": ");
  return `${where === "" ? "The table" : where} is wrong: ${issue?.message}`;
}

function suiteInvalid(message: string): OperonError {
  return new OperonError({
    code: "policy.suite_invalid",
    kind: "invalid_argument",
    message,
    hint: "A table has `cases`, each with name, principal, operation, expect, and resource or input",
  });
}

/** The question of a case, or why it cannot be asked. */
async function askable(
  row: SuiteCase,
  policy: CompiledPolicy,
  options: SuiteOptions,
): Promise<Question | string> {
  try {
    return await questionOf(row, policy, options);
  } catch (thrown) {
    if (!(thrown instanceof OperonError)) throw thrown;
    return thrown.message;
  }
}

function resultOf(row: SuiteCase, policy: CompiledPolicy, asked: Question | string): SuiteResult {
  const { name } = row;
  const expected = [row.expect, row.reason, row.rule].filter(Boolean).join(", ");
  if (typeof asked === "string")
    return { name, ok: false, expected, actual: "error", reason: asked };
  const decision = decide(policy, asked);
  const rule = decision.rule && policy.roles.get(decision.rule.role)?.[decision.rule.index];
  const isOk =
    decision.verdict === row.expect &&
    (row.reason === undefined || row.reason === decision.reason) &&
    (row.rule === undefined ||
      (rule !== undefined && [ruleId(rule.location), rule.document.name].includes(row.rule)));
  return {
    name,
    ok: isOk,
    expected,
    actual: decision.verdict,
    reason: decision.reason,
    ...(rule ? { rule: rule.label } : {}),
  };
}

/** `operator/3`: how a table names a rule that has no name; counted from 1. */
function ruleId({ role, index }: { readonly role: string; readonly index: number }): string {
  return `${role}/${index + 1}`;
}

async function questionOf(
  row: SuiteCase,
  policy: CompiledPolicy,
  options: SuiteOptions,
): Promise<Question> {
  const binding = await bindingOf(row, policy, options);
  const { calls = 0, bytes = 0, seconds = 0 } = row.used ?? {};
  const used: Usage = { calls, bytes, seconds };
  return {
    principal_id: principalIdOf(row.principal, policy),
    via_id: row.via === undefined ? undefined : principalIdOf(row.via, policy),
    operation: row.operation,
    effect: effectOf(row, policy),
    accesses: binding.accesses,
    facts: { ...binding.facts, ...row.facts },
    now_ms: row.at === undefined ? DEFAULT_NOW_MS : Date.parse(row.at),
    usage: () => used,
  };
}

function effectOf(row: SuiteCase, policy: CompiledPolicy): OperationEffect {
  const effect = policy.operations.get(row.operation);
  if (effect) return effect;
  if (row.reason === "unsupported-action") return "destroy";
  throw suiteInvalid(
    `There is no operation ${row.operation}. ${suggest(row.operation, policy.operations.keys())}`,
  );
}

async function bindingOf(
  row: SuiteCase,
  policy: CompiledPolicy,
  { bind }: SuiteOptions,
): Promise<Binding> {
  const named = row.resources ?? (row.resource === undefined ? undefined : [row.resource]);
  if (named) {
    const accesses = named.map((access) =>
      typeof access === "string" ? { resource: access } : access,
    );
    return { accesses, facts: {} };
  }
  if (bind && row.input !== undefined) return bind(row.operation, row.input, policy);
  throw suiteInvalid(
    bind
      ? "The case needs `input`, `resource` or `resources`"
      : "The case needs `resource` or `resources`: inputs cannot be resolved here",
  );
}

/** A name policy does not know is a stranger, unless it looks like a slip of one it knows. */
function principalIdOf(name: string, policy: CompiledPolicy): string {
  if (policy.principals.has(name)) return name;
  const principals: CompiledPrincipal[] = [...policy.principals.values()];
  const known = principals.find((principal) => principal.name === name);
  if (known) return known.id;
  const nearest = nearestName(
    name,
    principals.map((principal) => principal.name),
  );
  if (nearest === undefined) return name;
  throw suiteInvalid(`There is no principal ${name}. Did you mean ${nearest}?`);
}
