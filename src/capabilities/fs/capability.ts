// Joins the operations of `fs` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers } from "./handler.ts";
import { caveats } from "./policy.ts";
import { operations } from "./schema.ts";

/** The capability `fs`. */
export const fsCapability = capability({
  id: "fs",
  summary: "Files and folders below the node's mounts",
  operations,
  needs: ["mounts", "outbound", "peers"],
  handlers,
  caveats,
});
