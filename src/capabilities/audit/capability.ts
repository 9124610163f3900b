// Joins the operations of `audit` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** The capability `audit`. */
export const auditCapability = capability({
  id: "audit",
  summary: "The tamper-evident record of who asked, what was decided and what happened",
  operations,
  needs: ["audit"],
  handlers,
});
