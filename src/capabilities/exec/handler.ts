// Handler of `exec.run`: acts on the facts policy decided about, and puts the system's errors into
// words.
// It must never resolve anything again: what is executed is what was decided.
// Next: run.ts runs the command.

import { systemClock } from "../../clock.ts";
import type { Call, Handlers } from "../../contract/capability.ts";
import { redacted } from "../../secret/redactor.ts";
import { jobHandlers } from "./detached/handler.ts";
import { buildEnvironment } from "./environment.ts";
import type { CommandFacts } from "./facts.ts";
import { run } from "./run.ts";
import type { ExecSettings, operations } from "./schema.ts";
import { attachedHandlers } from "./session/handler.ts";
import { openSession } from "./session/open_session.ts";
import { confinementOrder, openFolder, secretValues, startError } from "./start.ts";

type RunCall = Call<(typeof operations)["run"], "mounts" | "settings" | "state" | "secrets">;

/** One handler per operation. */
export const handlers: Handlers<typeof operations, "mounts" | "settings" | "state" | "secrets"> = {
  async *run({ env, secrets }, call) {
    // The facts of this capability's own resolver, passed through by the node.
    const facts = call.facts as unknown as CommandFacts;
    if (facts.problem) throw call.fail(facts.problem.error, facts.problem.data);
    const settings = call.services.settings.of("exec") as ExecSettings;
    using _slot = takeSlot(settings, call);
    const values = await secretValues(secrets, call);
    using folder = openFolder(facts, call);
    const executable = facts.executable ?? "";
    try {
      const { output_limit, ...ending } = yield* redacted(
        run({
          executable,
          argv0: facts.argv0,
          rest: facts.argv.slice(1),
          folder: folder.path,
          environment: { ...buildEnvironment(settings, process.env, env), ...values },
          timeout_secs: facts.timeout_secs,
          output_bytes_max: settings.output_bytes_max,
          background: settings.background,
          confinement: confinementOrder(settings, call),
          incoming: call.incoming,
          signal: call.signal,
          clock: systemClock,
        }),
        values,
      );
      if (output_limit) {
        throw call.fail("output_limit", { output_bytes_max: settings.output_bytes_max });
      }
      return { ...ending, resolved: executable };
    } catch (thrown) {
      throw startError(thrown, { executable, call });
    }
  },

  ...jobHandlers,
  ...attachedHandlers,
  session: openSession,
};

let running = 0;

function takeSlot({ running_max }: ExecSettings, call: RunCall): Disposable {
  if (running >= running_max) throw call.fail("busy", { running_max });
  running++;
  return { [Symbol.dispose]: () => void running-- };
}
