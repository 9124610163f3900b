// Joins the operations of `trace` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** The capability `trace`. */
export const traceCapability = capability({
  id: "trace",
  summary: "What workflow runs did, step by step",
  operations,
  needs: ["traces"],
  handlers,
});
