// Joins the operations of `capability` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** The capability `capability`. */
export const capabilityCapability = capability({
  id: "capability",
  summary: "What this node can do and what you may do on it",
  operations,
  needs: ["registry", "policy"],
  handlers,
});
