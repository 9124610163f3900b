// Descriptions of all built-in operations. In the executable another module stands here, made at build time: a command
// line costs no schema library, and reads what its own capability says alone. From source they are made on the spot.
// It must never differ from what the capabilities define.
// Next: scripts/compile.ts makes the other module; contract/registry.ts makes descriptions.

import type { CapabilityDescription } from "./contract/description.ts";

/** JSON text that the package for other runtimes is built with; undefined when running from source. */
declare const OPERON_MANIFEST: string | undefined;

/** All built-in capabilities as plain JSON; or perhaps only the one called `only`, where that costs less. */
export async function loadManifest(_only?: string): Promise<readonly CapabilityDescription[]> {
  if (typeof OPERON_MANIFEST === "string")
    return JSON.parse(OPERON_MANIFEST) as CapabilityDescription[];
  const [{ Registry }, { builtin }] = await Promise.all([
    import("./contract/registry.ts"),
    import("./builtin.ts"),
  ]);
  return new Registry(Object.values(builtin)).describe();
}
