// What a node says about its own policy: shown, explained, tested. Implements PolicyView.
// It must never decide by other means than authority.ts does.
// Next: policy/view.ts and policy/suite.ts; capabilities/policy and capabilities/capability ask for it.

import type { Registry } from "../contract/registry.ts";
import type { OperationAuthority, PolicyView, Services } from "../contract/services.ts";
import type { Decision } from "../decision.ts";
import { OperonError } from "../error.ts";
import type { CompiledPolicy, CompiledPrincipal } from "../policy/compiled_policy.ts";
import type { MountTable } from "../policy/mount.ts";
import { suggest } from "../policy/nearest_name.ts";
import { runSuite } from "../policy/suite.ts";
import { showPolicy } from "../policy/view.ts";
import type { Authority } from "./authority.ts";
import { accessesOf, gatherFacts, parseInput } from "./invoke.ts";
import { compileSection } from "./policy_state.ts";

/** What the view looks at. */
export interface PolicyViewOptions {
  readonly registry: Registry;
  readonly policy: () => CompiledPolicy;
  readonly authority: Authority;
  readonly services: () => Services;
  readonly nodeId: () => string;
  readonly mounts: () => MountTable;
}

/** The node's policy, for those who may see it. */
export function policyView(options: PolicyViewOptions): PolicyView {
  const { registry } = options;
  const context = () => ({ node_id: options.nodeId(), mounts: options.mounts() });
  return {
    show: () => showPolicy(options.policy()),
    authority: (principal) =>
      authorityOf(options.policy(), options.policy().principals.get(principal)),
    async explain({ principal, operation, input, resources }): Promise<Decision> {
      const registered = registry.find(operation);
      if (!registered) throw unknown("operation", operation, registry.ids);
      const named = findPrincipal(options.policy(), principal);
      const parsed = input === undefined && resources ? undefined : parseInput(registered, input);
      const accesses =
        resources?.map((resource) => ({ resource })) ?? accessesOf(registered, parsed, context());
      const { facts } =
        parsed === undefined
          ? { facts: {} }
          : await gatherFacts(registered, parsed, options.services());
      return options.authority.decide({
        registered,
        accesses,
        facts,
        request: { principal: named, via: undefined },
      });
    },
    async test(table, signal) {
      const cases = await runSuite(table, {
        signal,
        policy: options.policy(),
        compile: (section, locate) =>
          compileSection(section as Record<string, unknown>, registry, locate),
        bind: (operation, input, policy) => {
          const registered = registry.find(operation);
          if (!registered) throw unknown("operation", operation, registry.ids);
          const parsed = parseInput(registered, input);
          return {
            accesses: accessesOf(registered, parsed, {
              node_id: options.nodeId(),
              mounts: policy.mounts,
            }),
            facts: {},
          };
        },
      });
      const failed = cases.filter((one) => !one.ok).length;
      return { passed: cases.length - failed, failed, cases };
    },
  };
}

function findPrincipal(policy: CompiledPolicy, name: string): CompiledPrincipal {
  const found =
    policy.principals.get(name) ??
    [...policy.principals.values()].find((principal) => principal.name === name);
  if (found) return found;
  if (name.startsWith("ed25519:")) return { id: name, name, roles: [], rules: new Map() };
  throw unknown(
    "principal",
    name,
    [...policy.principals.values()].map((principal) => principal.name),
  );
}

function authorityOf(
  policy: CompiledPolicy,
  principal: CompiledPrincipal | undefined,
): readonly OperationAuthority[] {
  const rules = (principal?.roles ?? []).flatMap((role) => policy.roles.get(role) ?? []);
  return [...policy.operations.keys()].map((operation) => {
    const globs = (verdict: "allow" | "ask" | "deny") =>
      rules
        .filter((rule) => rule.verdict === verdict && rule.operations.includes(operation))
        // A refusal under a condition is not a refusal of everything.
        .filter((rule) => verdict !== "deny" || rule.document.when === undefined)
        .flatMap((rule) => rule.document.on ?? ["*"]);
    return { operation, allow: globs("allow"), ask: globs("ask"), deny: globs("deny") };
  });
}

function unknown(what: string, name: string, known: readonly string[]): OperonError {
  return new OperonError({
    code: `policy.${what}_unknown`,
    kind: "not_found",
    message: `There is no ${what} "${name.slice(0, 80)}" on this node`,
    hint: suggest(name, known),
  });
}
