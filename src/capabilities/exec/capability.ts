// Joins the operations of `exec` with their handlers, facts, caveats and settings.
// It must never do I/O when it is imported.
// Next: schema.ts for what it can do, run.ts for how.

import { capability } from "../../contract/capability.ts";
import { commandCaveats } from "../../policy/command_caveats.ts";
import { commandFacts, jobFacts } from "./facts.ts";
import { handlers } from "./handler.ts";
import { killLeftBehind } from "./left_behind.ts";
import { endRevoked } from "./revoked.ts";
import { operations, settings } from "./schema.ts";
import { sessionFacts } from "./session/open_session.ts";

/** The capability `exec`. */
export const execCapability = capability({
  id: "exec",
  summary:
    "Commands: run them with live output, input and exit code, or as jobs that outlive their caller",
  operations,
  needs: ["mounts", "settings", "state", "secrets"],
  handlers,
  facts: { run: commandFacts, start: jobFacts, session: sessionFacts },
  caveats: commandCaveats,
  settings,
  afterCrash: killLeftBehind,
  afterRevocation: endRevoked,
});
