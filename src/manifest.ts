// Descriptions of all built-in operations. In the executable they are a constant made at build time, so that a command
// line costs no schema library; from source they are made on the spot.
// It must never differ from what the capabilities define.
// Next: scripts/compile.ts puts the constant in; contract/registry.ts makes descriptions.

import type { CapabilityDescription } from "./contract/description.ts";

/** JSON text that the build defines; undefined when running from source. */
declare const OPERON_MANIFEST: string | undefined;

/** All built-in capabilities as plain JSON. */
export async function loadManifest(): Promise<readonly CapabilityDescription[]> {
  if (typeof OPERON_MANIFEST === "string")
    return JSON.parse(OPERON_MANIFEST) as CapabilityDescription[];
  const [{ Registry }, { builtin }] = await Promise.all([
    import("./contract/registry.ts"),
    import("./builtin.ts"),
  ]);
  return new Registry(Object.values(builtin)).describe();
}
