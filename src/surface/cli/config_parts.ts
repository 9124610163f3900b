// What the configuration verbs share: the home they act on, and what they need to know of the node's capabilities.

import { resolve } from "node:path";
import type { Registry } from "../../contract/registry.ts";
import { type Home, homeAt, resolveHome } from "../../identity/home.ts";
import type { VerbContext } from "./verb.ts";

/** What the configuration verbs are made with; the registry is loaded when one of them runs. */
export interface ConfigVerbOptions {
  readonly registry: () => Promise<Registry>;
}

/** Settings schemas, conditions and operations of all capabilities. */
export function registryParts(registry: Registry) {
  const { capabilities, operations } = registry;
  return {
    settings: Object.fromEntries(
      capabilities.flatMap(({ settings, settings_key }) =>
        settings ? [[settings_key, settings]] : [],
      ),
    ),
    caveats: Object.fromEntries(capabilities.map(({ id, caveats }) => [id, caveats])),
    operations: operations.map(({ id, operation }) => ({ id, effect: operation.effect })),
  };
}

/** {@link registryParts} of a node. */
export type RegistryParts = ReturnType<typeof registryParts>;

/** The home a command acts on: `--home`, else the environment's. */
export function homeOf({ globals, env }: Pick<VerbContext, "globals" | "env">): Home {
  return globals.home === undefined ? resolveHome(env) : homeAt(resolve(globals.home));
}
