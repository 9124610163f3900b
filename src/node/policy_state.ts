// The policy in force: loaded from the configuration, replaced whole when the file changes, kept when a change is bad.
// It must never leave the node with less policy than it had: a reload that fails changes nothing.
// Next: config/load.ts parses, policy/compile.ts compiles, authority.ts decides by it.

import { type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Registry } from "../contract/registry.ts";
import { compilePolicy } from "../policy/compile.ts";
import type { CompiledPolicy } from "../policy/compiled_policy.ts";
import type { Locate } from "../policy/located_yaml.ts";
import { PolicySchema, policyShape } from "../policy/schema.ts";

/** A configuration and the policy compiled from it. */
export interface PolicyState {
  readonly loaded: LoadedConfig;
  readonly policy: CompiledPolicy;
  /** Each capability's own section, parsed with its schema. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Loads and compiles. @throws OperonError `config.*`, `policy.*`, with file and line */
export async function loadPolicyState(path: string, registry: Registry): Promise<PolicyState> {
  const loaded = await loadConfig(path, { settings: settingsSchemas(registry) });
  const section = loaded.config.policy;
  const policy = compileSection(section, registry, (at) => loaded.locate(["policy", ...at]));
  return { loaded, policy, settings: settingsOf(section, registry) };
}

/** Compiles a `policy` section as the configuration or a verdict table holds it. */
export function compileSection(
  section: Readonly<Record<string, unknown>> | undefined,
  registry: Registry,
  locate: Locate,
): CompiledPolicy {
  const own = Object.fromEntries(
    Object.keys(policyShape).flatMap((key) =>
      section && key in section ? [[key, section[key]]] : [],
    ),
  );
  return compilePolicy(PolicySchema.parse(own), {
    caveats: Object.fromEntries(
      registry.capabilities.map((capability) => [capability.id, capability.caveats]),
    ),
    operations: registry.operations.map(({ id, operation }) => ({ id, effect: operation.effect })),
    locate,
  });
}

/** Schemas of the sections capabilities own, by their keys. */
export function settingsSchemas(registry: Registry) {
  return Object.fromEntries(
    registry.capabilities.flatMap(({ settings, settings_key }) =>
      settings ? [[settings_key, settings]] : [],
    ),
  );
}

function settingsOf(
  section: Readonly<Record<string, unknown>> | undefined,
  registry: Registry,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    registry.capabilities.flatMap(({ id, settings, settings_key }) =>
      settings ? [[id, section?.[settings_key] ?? settings.safeParse({}).data]] : [],
    ),
  );
}
