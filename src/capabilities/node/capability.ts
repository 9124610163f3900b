// Joins the operations of `node` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** The capability `node`. */
export const nodeCapability = capability({
  id: "node",
  summary: "The nodes around this one, and how machines come to know each other",
  operations,
  needs: ["peers"],
  handlers,
});
