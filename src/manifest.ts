// Descriptions of all built-in operations. In the executable they are a constant made at build time, so that a command
// line costs no schema library; from source they are made on the spot.
// It must never differ from what the capabilities define.
// Next: scripts/compile.ts puts the constant in; contract/registry.ts makes descriptions.

import type { CapabilityDescription } from "./contract/description.ts";

/** JSON text of each capability by id, which the build defines; undefined when running from source. */
declare const OPERON_MANIFEST: Readonly<Record<string, string>> | undefined;

/** All built-in capabilities as plain JSON; or only the one called `only`, where there is one. */
export async function loadManifest(only?: string): Promise<readonly CapabilityDescription[]> {
  if (typeof OPERON_MANIFEST === "object") {
    const texts: Readonly<Record<string, string>> = OPERON_MANIFEST;
    const one = only !== undefined && Object.hasOwn(texts, only) ? texts[only] : undefined;
    const wanted = one === undefined ? Object.values(texts) : [one];
    return wanted.map((text) => JSON.parse(text) as CapabilityDescription);
  }
  const [{ Registry }, { builtin }] = await Promise.all([
    import("./contract/registry.ts"),
    import("./builtin.ts"),
  ]);
  return new Registry(Object.values(builtin)).describe();
}
