// The conditions rules may put on `fs.*`: none of its own. Resources (`fs:<mount>/<path>`) and the general caveats say it all.
// It must never look at a disk.
// Next: access.ts for the accesses each operation asks for.

import type { CaveatDefinition } from "../../policy/caveat.ts";

/** Caveats rules on `fs.*` may use beyond the general ones. */
export const caveats: Readonly<Record<string, CaveatDefinition>> = {};
