// Turns a parsed policy document into something that decides: names resolved, globs and conditions compiled, rules indexed.
// It must never let a doubtful line pass: what it does not understand is an error with file and line, not a rule less.
// Next: decide.ts answers questions with the result; lint.ts finds lines that are valid but pointless.

import { OperonError } from "../error.ts";
import type { CaveatDefinition } from "./caveat.ts";
import { compileRule } from "./compile_rule.ts";
import {
  type CompiledPolicy,
  type CompiledPrincipal,
  type CompiledRule,
  capabilityOf,
  type OperationEffect,
  type PolicyProblem,
  placeOf,
  type Report,
} from "./compiled_policy.ts";
import type { Locate } from "./located_yaml.ts";
import type { MountTable } from "./mount.ts";
import { createMountTable } from "./mount_table.ts";
import { suggest } from "./nearest_name.ts";
import { principalKeyId } from "./principal_key.ts";
import { ResourceIndex } from "./resource_index.ts";
import type { PolicyDocument, PrincipalDocument } from "./schema.ts";

/** What policy must know of the node to understand rules. */
export interface CompileOptions {
  /** Conditions by capability id and name, from each capability's policy.ts. */
  readonly caveats: Readonly<Record<string, Readonly<Record<string, CaveatDefinition>>>>;
  /** Every operation of the node. */
  readonly operations: readonly { readonly id: string; readonly effect: OperationEffect }[];
  /** Where a path inside the policy section stands. */
  readonly locate?: Locate | undefined;
}

/**
 * Compiles a policy.
 * @throws OperonError with the code of the first problem (`policy.role_unknown`, `policy.operation_unknown`,
 *   `policy.caveat_unknown`, `policy.caveat_invalid`, `policy.caveat_misplaced`, `policy.glob_invalid`,
 *   `policy.key_invalid`, `policy.key_duplicate`, `policy.mount_invalid`) and all of them in `data.problems`
 */
export function compilePolicy(document: PolicyDocument, options: CompileOptions): CompiledPolicy {
  const problems: PolicyProblem[] = [];
  const report: Report = (problem) => {
    problems.push({ ...problem, ...options.locate?.(problem.path) });
  };
  const principalIds = resolveKeys(document, report);
  const mounts = compileMounts(document, report);
  const operations = new Map(options.operations.map(({ id, effect }) => [id, effect] as const));
  const roles = new Map<string, readonly CompiledRule[]>();
  for (const [role, rules] of Object.entries(document.roles)) {
    const compiled = rules.map((rule, index) =>
      compileRule(rule, { ...options, role, index, operations, principalIds, mounts, report }),
    );
    roles.set(role, compiled);
  }
  const principals = compilePrincipals(document, { principalIds, roles, report });
  if (problems.length > 0) throw policyInvalid(problems);
  return { document, mounts, principals, roles, operations };
}

/** One error for all problems: its code and text are the first one's. */
export function policyInvalid(problems: readonly PolicyProblem[]): OperonError {
  const [first] = problems;
  const more = problems.length - 1;
  const place = first?.file === undefined ? "" : `${placeOf(first)}: `;
  return new OperonError({
    code: first?.code ?? "policy.invalid",
    kind: "invalid_argument",
    message: `${place}${first?.message}${more > 0 ? ` (and ${more} more)` : ""}`,
    hint: first?.hint ?? "",
    data: { problems },
  });
}

function resolveKeys(document: PolicyDocument, report: Report): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const [name, principal] of Object.entries(document.principals)) {
    const path = ["principals", name];
    try {
      const id = principalKeyId(principal);
      const owner = owners.get(id);
      if (owner !== undefined) {
        report({
          code: "policy.key_duplicate",
          message: `Principals ${owner} and ${name} have the same key`,
          hint: "Give one principal both sets of roles, or each its own key",
          path,
        });
      }
      owners.set(id, name);
      ids.set(name, id);
    } catch (thrown) {
      if (!(thrown instanceof OperonError)) throw thrown;
      report({
        code: "policy.key_invalid",
        message: `Principal ${name} has a bad key: ${thrown.message}`,
        hint: thrown.hint ?? "Copy the whole key from `operon node info`",
        path: [...path, principal.ssh === undefined ? "key" : "ssh"],
      });
    }
  }
  return ids;
}

function compileMounts(document: PolicyDocument, report: Report): MountTable {
  try {
    return createMountTable(document.mounts);
  } catch (thrown) {
    if (!(thrown instanceof OperonError)) throw thrown;
    const { code, message, hint = "" } = thrown;
    report({ code, message, hint, path: ["mounts"] });
    return createMountTable([]);
  }
}

interface PrincipalParts {
  readonly principalIds: ReadonlyMap<string, string>;
  readonly roles: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly report: Report;
}

function compilePrincipals(
  document: PolicyDocument,
  { principalIds, roles, report }: PrincipalParts,
): ReadonlyMap<string, CompiledPrincipal> {
  const principals = new Map<string, CompiledPrincipal>();
  const shared = new Map<string, ReadonlyMap<string, ResourceIndex<CompiledRule>>>();
  for (const [name, principal] of Object.entries(document.principals)) {
    const known = knownRoles({ name, principal }, { roles, report });
    const id = principalIds.get(name);
    if (id === undefined) continue;
    const key = known.join(" ");
    const rules = shared.get(key) ?? indexRules(known.flatMap((role) => roles.get(role) ?? []));
    shared.set(key, rules);
    principals.set(id, { name, id, roles: known, rules });
  }
  return principals;
}

function knownRoles(
  { name, principal }: { readonly name: string; readonly principal: PrincipalDocument },
  { roles, report }: Pick<PrincipalParts, "roles" | "report">,
): string[] {
  const known: string[] = [];
  for (const [index, role] of principal.roles.entries()) {
    if (!roles.has(role)) {
      report({
        code: "policy.role_unknown",
        message: `Principal ${name} has the role ${role}, which is not defined`,
        hint: suggest(role, roles.keys()),
        path: ["principals", name, "roles", index],
      });
    } else if (!known.includes(role)) known.push(role);
  }
  return known;
}

function indexRules(
  rules: readonly CompiledRule[],
): ReadonlyMap<string, ResourceIndex<CompiledRule>> {
  const byOperation = new Map<string, ResourceIndex<CompiledRule>>();
  for (const [ordinal, rule] of rules.entries()) {
    for (const operation of rule.operations) {
      let index = byOperation.get(operation);
      if (!index) {
        index = new ResourceIndex();
        byOperation.set(operation, index);
      }
      const conditions = rule.conditions.get(capabilityOf(operation)) ?? [];
      const entry = { rule, ordinal, conditions };
      if (rule.globs.length === 0) index.add(rule.verdict, entry, undefined);
      for (const glob of rule.globs) index.add(rule.verdict, entry, glob);
    }
  }
  return byOperation;
}
