// Joins the operations of `secret` with their handlers.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, handler.ts for how.

import { capability } from "../../contract/capability.ts";
import { commandCaveats } from "../../policy/command_caveats.ts";
import { handlers } from "./handler.ts";
import { operations } from "./schema.ts";

/** The capability `secret`. */
export const secretCapability = capability({
  id: "secret",
  summary: "Secrets a node keeps for commands: named, never shown",
  operations,
  needs: ["secrets"],
  handlers,
  // `secret.use` is decided within a call of `exec`, by what is known of the command.
  caveats: commandCaveats,
});
