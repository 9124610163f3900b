// Handler of `exec.run`: acts on the facts policy decided about, and puts the system's errors into
// words.
// It must never resolve anything again: what is executed is what was decided.
// Next: run.ts runs the command.

import { systemClock } from "../../clock.ts";
import type { Call, Handlers } from "../../contract/capability.ts";
import { buildEnvironment } from "./environment.ts";
import type { CommandFacts } from "./facts.ts";
import { run } from "./run.ts";
import type { ExecSettings, operations } from "./schema.ts";

type RunCall = Call<(typeof operations)["run"], "mounts" | "settings">;

/** One handler per operation. */
export const handlers: Handlers<typeof operations, "mounts" | "settings"> = {
  async *run({ env }, call) {
    // The facts of this capability's own resolver, passed through by the node.
    const facts = call.facts as unknown as CommandFacts;
    if (facts.problem) throw call.fail(facts.problem.error, facts.problem.data);
    const settings = call.services.settings.of("exec") as ExecSettings;
    using _slot = takeSlot(settings, call);
    using folder = openFolder(facts, call);
    const executable = facts.executable ?? "";
    try {
      const { output_limit, ...ending } = yield* run({
        executable,
        argv0: facts.argv0,
        rest: facts.argv.slice(1),
        folder: folder.path,
        environment: buildEnvironment(settings, process.env, env),
        timeout_secs: facts.timeout_secs,
        output_bytes_max: settings.output_bytes_max,
        background: settings.background,
        incoming: call.incoming,
        signal: call.signal,
        clock: systemClock,
      });
      if (output_limit) {
        throw call.fail("output_limit", { output_bytes_max: settings.output_bytes_max });
      }
      return { ...ending, resolved: executable };
    } catch (thrown) {
      throw startError(thrown, { executable, call });
    }
  },
};

let running = 0;

function takeSlot({ running_max }: ExecSettings, call: RunCall): Disposable {
  if (running >= running_max) throw call.fail("busy", { running_max });
  running++;
  return { [Symbol.dispose]: () => void running-- };
}

function openFolder({ cwd }: CommandFacts, call: RunCall) {
  try {
    return call.services.mounts.folder(cwd ?? "");
  } catch (thrown) {
    throw call.fail("cwd_unusable", { cwd }, thrown);
  }
}

/**
 * A declared error for what the system says when a command cannot be started; anything else as it
 * is.
 */
function startError(
  thrown: unknown,
  { executable, call }: { executable: string; call: RunCall },
): unknown {
  if (!(thrown instanceof Error) || !("syscall" in thrown) || !("code" in thrown)) return thrown;
  const data = { command: executable, reason: thrown.code };
  switch (thrown.code) {
    case "ENOENT":
    case "ENOTDIR":
      return call.fail("not_found", { ...data, exit_code: 127 }, thrown);
    case "EACCES":
    case "ENOEXEC":
    case "EPERM":
      return call.fail("not_executable", { ...data, exit_code: 126 }, thrown);
    case "E2BIG":
      return call.fail("too_long", data, thrown);
    default:
      return call.fail("spawn_failed", data, thrown);
  }
}
