// The commands that cannot be a call to a node: making a home, running a daemon, running a workflow.
// It must never hold logic of its own: each line loads what it needs and hands over.
// Next: surface/cli/verb.ts says what a verb is.

import { daemonServiceVerbs } from "./daemon_service_verbs.ts";
import { daemonVerbs } from "./daemon_verbs.ts";
import { doctorVerbs } from "./doctor_verbs.ts";
import { homeAt, resolveHome } from "./identity/home.ts";
import { configVerbs } from "./surface/cli/config_verbs.ts";
import type { HandWrittenVerb } from "./surface/cli/verb.ts";
import { completionVerbs } from "./surface/completion/completion_verbs.ts";
import { shellVerb } from "./surface/repl/shell_verb.ts";
import { workflowVerbs } from "./workflow_verbs.ts";

/** All of them, in the order help shows them. */
export const handWrittenVerbs: readonly HandWrittenVerb[] = [
  ...configVerbs({ registry: builtinRegistry }),
  ...daemonVerbs,
  ...daemonServiceVerbs,
  ...doctorVerbs({ registry: builtinRegistry }),
  ...workflowVerbs,
  ...completionVerbs({ verbs: () => handWrittenVerbs }),
  shellVerb({
    verbs: () => handWrittenVerbs,
    sdk: async () => (await import("./sdk.ts")).operonOver,
    historyPath: ({ globals: { home }, env }) =>
      (home === undefined ? resolveHome(env) : homeAt(home)).history_path,
  }),
];

async function builtinRegistry() {
  const [{ Registry }, { builtin }] = await Promise.all([
    import("./contract/registry.ts"),
    import("./builtin.ts"),
  ]);
  return new Registry(Object.values(builtin));
}
