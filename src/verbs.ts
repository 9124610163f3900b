// The commands that cannot be a call to a node: making a home, running a daemon, running a workflow.
// It must never hold logic of its own: each line loads what it needs and hands over.
// Next: surface/cli/context.ts says what a verb is; each `load` names where it is done.

import { daemonVerbs } from "./daemon_verbs.ts";
import { configVerbs } from "./surface/cli/config_verbs.ts";
import type { HandWrittenVerb } from "./surface/cli/context.ts";
import { workflowVerbs } from "./workflow_verbs.ts";

/** All of them, in the order help shows them. */
export const handWrittenVerbs: readonly HandWrittenVerb[] = [
  ...configVerbs,
  ...daemonVerbs,
  ...workflowVerbs,
];
