// Joins the operations of `policy` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** The capability `policy`. */
export const policyCapability = capability({
  id: "policy",
  summary: "The rules in force and what they decide",
  operations,
  needs: ["policy"],
  handlers,
});
