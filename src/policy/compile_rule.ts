// Compiles one rule: its verdict, operations, globs and conditions. Every problem is reported with its place.
// It must never weaken a rule it does not understand: the policy as a whole is refused then.
// Next: compile.ts calls it; general_caveats.ts and capabilities say which conditions exist.

import type { RuleLocation, Verdict } from "../decision.ts";
import { OperonError } from "../error.ts";
import type { CaveatDefinition } from "./caveat.ts";
import { type CompiledRule, capabilityOf, placeOf, type Report } from "./compiled_policy.ts";
import type { Condition } from "./condition.ts";
import { generalCaveats } from "./general_caveats.ts";
import { compileGlob, type Glob } from "./glob.ts";
import type { Locate } from "./located_yaml.ts";
import type { MountTable } from "./mount.ts";
import { suggest } from "./nearest_name.ts";
import type { RuleDocument } from "./schema.ts";

/** Where a rule stands and what its words can mean. */
export interface RuleScope {
  readonly role: string;
  readonly index: number;
  readonly operations: ReadonlyMap<string, unknown>;
  readonly caveats: Readonly<Record<string, Readonly<Record<string, CaveatDefinition>>>>;
  readonly principalIds: ReadonlyMap<string, string>;
  readonly mounts: MountTable;
  readonly locate?: Locate | undefined;
  readonly report: Report;
}

/** Compiles one rule; what is wrong with it goes to `scope.report`, and the result must not be used then. */
export function compileRule(document: RuleDocument, scope: RuleScope): CompiledRule {
  const { role, index } = scope;
  const verdict: Verdict = document.deny ? "deny" : document.ask ? "ask" : "allow";
  const path = ["roles", role, index];
  const location: RuleLocation = { role, index, ...scope.locate?.(path) };
  const place = placeOf(location);
  const name = document.name === undefined ? "" : ` "${document.name}"`;
  const operations = expandOperations(document[verdict] ?? [], {
    ...scope,
    path: [...path, verdict],
  });
  const compiled = compileConditions(document, { ...scope, path, verdict, named: operations });
  return {
    verdict,
    location,
    label: `role ${role}, rule ${index + 1}${name}${place === "" ? "" : ` (${place})`}`,
    document,
    operations,
    globs: compileGlobs(document.on ?? [], { ...scope, path: [...path, "on"] }),
    ...compiled,
  };
}

type PathScope = RuleScope & { readonly path: readonly PropertyKey[] };

function expandOperations(patterns: readonly string[], scope: PathScope): readonly string[] {
  const found = new Set<string>();
  const known = [...scope.operations.keys()];
  for (const [at, pattern] of patterns.entries()) {
    const matching = known.filter((id) => matchesOperation(pattern, id));
    for (const id of matching) found.add(id);
    if (matching.length > 0) continue;
    const groups = new Set(known.map((id) => `${capabilityOf(id)}.*`));
    scope.report({
      code: "policy.operation_unknown",
      message: `The operation ${pattern} matches nothing this node can do`,
      hint: suggest(pattern, pattern.includes("*") ? groups : known),
      path: [...scope.path, at],
    });
  }
  return [...found];
}

function matchesOperation(pattern: string, id: string): boolean {
  if (pattern === "*" || pattern === id) return true;
  return pattern.endsWith(".*") && capabilityOf(id) === pattern.slice(0, -2);
}

function compileGlobs(patterns: readonly string[], scope: PathScope): readonly Glob[] {
  const globs: Glob[] = [];
  for (const [at, pattern] of patterns.entries()) {
    const path = [...scope.path, at];
    try {
      assertResource(pattern, scope.mounts);
      globs.push(compileGlob(pattern));
    } catch (thrown) {
      if (!(thrown instanceof OperonError)) throw thrown;
      scope.report({ code: thrown.code, message: thrown.message, hint: thrown.hint ?? "", path });
    }
  }
  return globs;
}

/** A glob that can match no resource would make a deny rule a silent hole. */
function assertResource(pattern: string, mounts: MountTable): void {
  const fail = (message: string, hint: string) =>
    new OperonError({ code: "policy.resource_invalid", kind: "invalid_argument", message, hint });
  if (!/^(?:[a-z][a-z0-9_]*:|[a-z0-9_]*[*?])/.test(pattern)) {
    throw fail(
      `${JSON.stringify(pattern)} is no resource`,
      "Start with a scheme, as in fs:workspace/src/**, exec:default or secret:TOKEN; deny rules replace `!`",
    );
  }
  if (/^fs:[^/]*\/(?:.*\/)?(?:\.{0,2}\/|\.{1,2}$)|^fs:[^/]*\/.+\/$/.test(pattern)) {
    throw fail(
      `No path is spelt like ${pattern}, so the rule would never match`,
      "Leave out `//`, `.`, `..` and the slash at the end; `folder/**` is a folder and all below it",
    );
  }
  const mount = /^fs:([^/*?]+)(?:\/|$)/.exec(pattern)?.[1];
  const names = mounts.mounts.map((known) => known.name);
  if (mount !== undefined && !names.includes(mount)) {
    throw fail(
      `${pattern} names the mount ${mount}, which is not configured`,
      suggest(mount, names),
    );
  }
}

type ConditionScope = PathScope & {
  readonly verdict: Verdict;
  /** Operations the rule names, patterns expanded. */
  readonly named: readonly string[];
};

function compileConditions(
  document: RuleDocument,
  scope: ConditionScope,
): Pick<CompiledRule, "conditions" | "usage_key" | "cannot_promise"> {
  const capabilities = [...new Set(scope.named.map(capabilityOf))];
  const conditions = new Map<string, Condition[]>(capabilities.map((id) => [id, []]));
  const promises = new Set<string>();
  const usageKey = `${scope.role}\n${JSON.stringify(document)}\n`;
  let isMetered = false;
  for (const [name, value] of Object.entries(document.when ?? {})) {
    const path = [...scope.path, "when", name];
    const general = Object.hasOwn(generalCaveats, name) ? generalCaveats[name] : undefined;
    if (general) {
      isMetered ||= general.metered;
      const condition = compileGeneral({ name, value, path, usageKey }, scope);
      for (const list of conditions.values()) if (condition) list.push(condition);
      if (general.cannot_promise) promises.add(general.cannot_promise);
      continue;
    }
    for (const capability of capabilities) {
      const definition = caveatOf(capability, { name, path, capabilities, scope });
      if (!definition) break;
      const parsed = parseValue(definition.value, { name, value, path }, scope);
      if (!parsed) break;
      const reason = `${capability}-${name}-denied`.replaceAll("_", "-");
      const condition = compileGuarded({ name, path }, scope, () => {
        const test = definition.compile(parsed.data as never);
        return { name, reason, test: ({ facts }) => test(facts) };
      });
      if (condition) conditions.get(capability)?.push(condition);
      const limit = scope.verdict === "allow" ? undefined : definition.cannot_promise;
      if (limit) promises.add(limit);
    }
  }
  return { conditions, usage_key: isMetered ? usageKey : undefined, cannot_promise: [...promises] };
}

interface NamedValue {
  readonly name: string;
  readonly value: unknown;
  readonly path: readonly PropertyKey[];
}

function compileGeneral(
  { name, value, path, usageKey }: NamedValue & { readonly usageKey: string },
  scope: ConditionScope,
): Condition | undefined {
  const general = generalCaveats[name]!;
  if (general.allow_only && scope.verdict !== "allow") {
    scope.report({
      code: "policy.caveat_misplaced",
      message: `\`${name}\` limits what an allow rule gives; a rule that says ${scope.verdict} cannot carry it`,
      hint: "Put it on the allow rule: what exceeds it is not allowed",
      path,
    });
    return undefined;
  }
  const parsed = parseValue(general.value, { name, value, path }, scope);
  if (!parsed) return undefined;
  const generalScope = { usage_key: usageKey, principal_ids: scope.principalIds };
  return compileGuarded({ name, path }, scope, () => ({
    name,
    reason: general.reason,
    test: general.compile(parsed.data as never, generalScope),
  }));
}

/** A value may be of the right shape and still make no sense, e.g. a bad glob: that is a problem with a place, too. */
function compileGuarded(
  { name, path }: Pick<NamedValue, "name" | "path">,
  scope: ConditionScope,
  compile: () => Condition,
): Condition | undefined {
  try {
    return compile();
  } catch (thrown) {
    if (!(thrown instanceof OperonError)) throw thrown;
    scope.report({
      code: "policy.caveat_invalid",
      message: `The condition ${name} is wrong: ${thrown.message}`,
      hint: thrown.hint ?? "",
      path,
    });
    return undefined;
  }
}

function parseValue(
  schema: CaveatDefinition["value"],
  { name, value, path }: NamedValue,
  scope: ConditionScope,
): { readonly data: unknown } | undefined {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { data: parsed.data };
  const [issue] = parsed.error.issues;
  scope.report({
    code: "policy.caveat_invalid",
    message: `The condition ${[name, ...(issue?.path ?? [])].map(String).join(".")} is wrong: ${issue?.message}`,
    hint: "`operon policy show` lists the conditions and what they take",
    path: [...path, ...(issue?.path ?? [])],
  });
  return undefined;
}

interface CaveatQuestion {
  readonly name: string;
  readonly path: readonly PropertyKey[];
  readonly capabilities: readonly string[];
  readonly scope: ConditionScope;
}

function caveatOf(
  capability: string,
  { name, path, capabilities, scope }: CaveatQuestion,
): CaveatDefinition | undefined {
  const own = scope.caveats[capability] ?? {};
  if (Object.hasOwn(own, name)) return own[name];
  const known = capabilities.flatMap((id) => Object.keys(scope.caveats[id] ?? {}));
  const isForeign = Object.values(scope.caveats).some((names) => Object.hasOwn(names, name));
  scope.report({
    code: isForeign ? "policy.caveat_misplaced" : "policy.caveat_unknown",
    message: isForeign
      ? `The condition ${name} means nothing for ${capability}, whose operations the rule names`
      : `There is no condition ${name}`,
    hint: isForeign
      ? "Write a rule of its own for the operations it belongs to"
      : suggest(name, [...Object.keys(generalCaveats), ...known]),
    path,
  });
  return undefined;
}
