// Descriptions of all built-in operations. In the executable and the package another module stands here, made at build
// time: a command line costs no schema library, and reads what its own capability says alone. From source they are made on the spot.
// It must never differ from what the capabilities define.
// Next: scripts/compile.ts and scripts/pack.ts make the other modules; contract/registry.ts makes descriptions.

import type { CapabilityDescription } from "./contract/description.ts";

/** All built-in capabilities as plain JSON; or perhaps only the one called `only`, where that costs less. */
export async function loadManifest(_only?: string): Promise<readonly CapabilityDescription[]> {
  const [{ Registry }, { builtin }] = await Promise.all([
    import("./contract/registry.ts"),
    import("./builtin.ts"),
  ]);
  return new Registry(Object.values(builtin)).describe();
}
