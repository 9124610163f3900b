#!/usr/bin/env bun
// The executable: the only file that reads argv, wires the layers together, turns signals into aborts, or exits.
// It must never load what the command at hand does not need: start-up time is part of the product.
// Next: surface/cli/cli.ts runs commands; caller.ts finds nodes; node/daemon.ts is `daemon start`.

import { basename } from "node:path";
import { systemClock } from "./clock.ts";
import { resolveHome } from "./identity/home.ts";
import { loadManifest } from "./manifest.ts";
import { HELPER_FLAG } from "./self.ts";
import { runCli } from "./surface/cli/cli.ts";
import { processStdio } from "./surface/cli/stdio.ts";
import { handWrittenVerbs } from "./verbs.ts";
import { VERSION } from "./version.ts";

const argv = process.argv.slice(2);
if (argv[0] === HELPER_FLAG) {
  const { runHelperProcess } = await import("./helper_processes.ts");
  process.exit(await runHelperProcess(argv[1] ?? ""));
}
const isDaemonLink = basename(process.argv0).startsWith("operond");
const stdio = processStdio();
const interrupts: (() => void)[] = [];
const interrupted = interruptSignal();

const code = await runCli(isDaemonLink ? ["daemon", ...argv] : argv, {
  describe: loadManifest,
  async connect({ home, config, identity }) {
    const { openCaller } = await import("./caller.ts");
    const found = resolveHome(
      home === undefined ? process.env : { ...process.env, OPERON_HOME: home },
    );
    return openCaller({
      home: found,
      configPath: config ?? found.config_path,
      clock: systemClock,
      identity:
        identity === undefined
          ? undefined
          : (await import("./identity/keystore.ts")).loadKey(identity),
      notice: (text) => stdio.stderr.write(`operon: ${text}\n`),
    });
  },
  verbs: handWrittenVerbs,
  stdio,
  env: process.env,
  clock: systemClock,
  version: VERSION,
  signal: interrupted,
  takeInterrupts(run) {
    interrupts.push(run);
    return { [Symbol.dispose]: () => void interrupts.splice(interrupts.indexOf(run), 1) };
  },
});
process.exit(code);

/** Aborts on the first SIGINT or SIGTERM; a second one ends the process at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      const taken = name === "SIGINT" ? interrupts.at(-1) : undefined;
      if (taken) return taken();
      if (controller.signal.aborted) process.exit(130);
      controller.abort(name);
    });
  }
  return controller.signal;
}
