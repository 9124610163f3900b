// The command line with everything it stands on: descriptions, verbs, ways to call nodes, the process's streams.
// It must never read argv or exit: main.ts does, and asks for this only when there is a command to run.
// Next: surface/cli/cli.ts runs commands; caller.ts finds nodes; node/daemon.ts is `daemon start`.

import type { CallerOptions } from "./caller.ts";
import { systemClock } from "./clock.ts";
import { resolveHome } from "./identity/home.ts";
import { loadManifest } from "./manifest.ts";
import { runCli } from "./surface/cli/cli.ts";
import type { CliContext } from "./surface/cli/context.ts";
import { escapeLines } from "./surface/cli/escape.ts";
import { processStdio } from "./surface/cli/stdio.ts";
import { handWrittenVerbs } from "./verbs.ts";
import { VERSION } from "./version.ts";

/** What the entry knows of this process. */
export type Entry = Pick<CliContext, "signal" | "beginAnew"> &
  Required<Pick<CliContext, "takeInterrupts">>;

/** Runs a command line and resolves to the exit code; never rejects. */
export function runProgram(argv: readonly string[], entry: Entry): Promise<number> {
  const stdio = processStdio();
  return runCli(argv, {
    ...entry,
    describe: loadManifest,
    async connect({ home, config, identity, lasts, onlyDaemon }) {
      const { connectToDaemon, openCaller, openOwnNode } = await import("./caller.ts");
      const found = resolveHome(
        home === undefined ? process.env : { ...process.env, OPERON_HOME: home },
      );
      const options: CallerOptions = {
        home: found,
        configPath: config ?? found.config_path,
        clock: systemClock,
        identity:
          identity === undefined
            ? undefined
            : (await import("./identity/keystore.ts")).loadKey(identity),
        notice: (text) => stdio.stderr.write(`operon: ${escapeLines(text)}\n`),
      };
      if (onlyDaemon) return connectToDaemon(options);
      if (!lasts) return openCaller(options);
      const [{ ReconnectingCaller }, { openShortcut }] = await Promise.all([
        import("./sdk/reconnecting_caller.ts"),
        import("./sdk/shortcut_caller.ts"),
      ]);
      const daemon = await ReconnectingCaller.open({
        clock: systemClock,
        connect: () => connectToDaemon(options),
        withoutDaemon: async () => openOwnNode(options),
      });
      return openShortcut(daemon, options);
    },
    verbs: handWrittenVerbs,
    stdio,
    env: process.env,
    clock: systemClock,
    version: VERSION,
  });
}
