// `operon daemon …`: a node with a port, in the foreground.
// It must never go to the background by itself: service managers and shells do that better.
// Next: node/daemon.ts runs it.

import { systemClock } from "./clock.ts";
import { homeAt, resolveHome } from "./identity/home.ts";
import { planSmallHeap } from "./small_heap.ts";
import { escapeLines } from "./surface/cli/escape.ts";
import type { HandWrittenVerb, VerbContext, VerbInput } from "./surface/cli/verb.ts";

/** A daemon that has served for so long has dialled its peers too, and needs no more of what starting takes (ms). */
const STARTED_MS = 2_000;

export const daemonVerbs: readonly HandWrittenVerb[] = [
  {
    path: ["daemon", "start"],
    summary: "Run this machine's node in the foreground until it is told to stop",
    description:
      "Listens where daemon.listen says and on the home's local socket, which lets commands reuse its connections. " +
      "SIGTERM or Ctrl-C lets running calls end, then stops; a second one stops at once. " +
      "The configuration is loaded again when the file changes or on SIGUSR2; a bad one is reported and changes nothing.",
    examples: ["daemon start", "daemon start --json", "--home /srv/operon daemon start"],
    run: startDaemon,
  },
];

async function startDaemon(_input: VerbInput, context: VerbContext): Promise<number> {
  planSmallHeap(context);
  const [{ runDaemon }, { ServiceNotify }, { giveBackStartPages }, ...others] = await Promise.all([
    import("./node/daemon.ts"),
    import("./node/service_notify.ts"),
    import("./node/start_pages.ts"),
    import("./contract/registry.ts"),
    import("./builtin.ts"),
    import("./identity/keystore.ts"),
  ]);
  const [{ Registry }, { builtin }, { loadKey }] = others;
  const { globals } = context;
  const home = globals.home === undefined ? resolveHome(context.env) : homeAt(globals.home);
  const { stdout, stderr } = context.stdio;
  using manager = new ServiceNotify({ env: context.env, pid: process.pid, clock: systemClock });
  let status = "";
  await runDaemon(
    {
      home,
      configPath: globals.config ?? home.config_path,
      key: loadKey(home.key_path),
      registry: new Registry(Object.values(builtin)),
      clock: systemClock,
      version: context.version,
      notice: (text) =>
        void stderr
          .write(`${new Date(systemClock.nowMs()).toISOString()} ${escapeLines(text)}\n`)
          .catch(() => {}),
    },
    {
      signal: context.signal,
      ready: (facts) => {
        const text = globals.json
          ? JSON.stringify({ event: "ready", ...facts })
          : `Node ${facts.node_id} (${facts.key}) ${facts.endpoint === undefined ? "listens on its local socket only" : `listens on ${facts.endpoint}`}`;
        if (globals.json || !globals.quiet) void stdout.write(`${text}\n`).catch(() => {});
        status = `Node ${facts.node_id} serves`;
        manager.ready(status);
        systemClock.after(STARTED_MS, giveBackStartPages);
      },
      stopping: () => manager.stopping(),
      reloads: (reload) => {
        process.on("SIGUSR2", async () => {
          manager.reloading();
          await reload();
          manager.ready(status);
        });
      },
    },
  );
  return 0;
}
