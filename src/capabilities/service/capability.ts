// Joins the operations of `service` with their handlers, facts and settings.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { handlers, serviceFacts } from "./handler.ts";
import { operations } from "./schema.ts";
import { settings } from "./settings.ts";

/** The capability `service`. */
export const serviceCapability = capability({
  id: "service",
  summary: "Services of a node's network: reach them, check them, offer your own",
  operations,
  needs: ["settings"],
  handlers,
  facts: {
    check: serviceFacts,
    connect: serviceFacts,
    datagrams: serviceFacts,
    publish: serviceFacts,
  },
  settings,
  settings_key: "services",
});
