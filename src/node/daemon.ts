// A node with a lifetime: lock, port, local socket, configuration watch, and an orderly end.
// It must never open a port before its policy is in force, nor drop a call that could have ended in time.
// Next: node.ts serves; main.ts starts this and turns signals into an abort.

import type { Clock } from "../clock.ts";
import { parseListenAddress } from "../config/listen_address.ts";
import { watchConfig } from "../config/watch.ts";
import { DRAIN_MS } from "../limits.ts";
import { parseEndpoint } from "../wire/dial.ts";
import { Listener } from "../wire/listener.ts";
import { openLocalDoor } from "./local_door.ts";
import { lockHome } from "./lock.ts";
import { Node, type NodeOptions } from "./node.ts";
import { Witnesses } from "./witnesses.ts";

/** What a daemon tells about itself once it serves. */
export interface DaemonReady {
  readonly node_id: string;
  readonly key: string;
  readonly endpoint: string | undefined;
  readonly socket: string;
}

/** How a daemon and its surroundings hear of each other. */
export interface DaemonEvents {
  readonly signal: AbortSignal;
  /** It serves. */
  readonly ready: (facts: DaemonReady) => void;
  /** It takes no more calls, and lets running ones end. */
  readonly stopping?: () => void;
  /** Hands over what loads the configuration again. */
  readonly reloads?: (reload: () => Promise<boolean>) => void;
}

/** Runs until the signal aborts. @throws OperonError `node.already_running`, `wire.listen_failed`, `config.*`, `policy.*`, `audit.*` */
export async function runDaemon(
  options: NodeOptions,
  { signal, ready, stopping, reloads }: DaemonEvents,
): Promise<void> {
  const { home, key, clock, notice, version } = options;
  using lock = await lockHome(home.lock_path, clock);
  for (const pid of lock.crashed_pids)
    for (const capability of options.registry.capabilities) await capability.afterCrash?.(pid);
  lock.forgetCrashed();
  await using node = await Node.open(options);
  await node.audit.append({ event: "started", detail: `operon ${version}` });
  const listener = listen(node, options);
  try {
    using _door = openLocalDoor({
      path: home.socket_path,
      key,
      clock,
      software: `operon/${version}`,
      session: (name) => node.session(name),
    });
    const watching = new AbortController();
    watchConfig(options.configPath, {
      signal: watching.signal,
      onChange: async () => {
        await node.reload();
      },
      onError: (error) =>
        notice(
          `The configuration cannot be watched: ${error instanceof Error ? error.message : String(error)}`,
        ),
    });
    using _announcer = await announce(node, listener, options);
    using _witnesses = new Witnesses({ node, ...options });
    node.connector.keepWarm();
    void node.endRevoked();
    ready({
      node_id: node.nodeId,
      key: key.publicKey.id,
      endpoint: node.endpoint,
      socket: home.socket_path,
    });
    reloads?.(() => node.reload());
    await aborted(signal);
    stopping?.();
    watching.abort();
    listener?.stop();
    await node.drain(drainSignal(clock));
  } finally {
    await node.audit.appendRelaxed({ event: "stopped" }).catch(() => {});
    node.connector.close();
    await listener?.close();
  }
}

function listen(node: Node, { key, clock }: NodeOptions): Listener | undefined {
  const { daemon } = node.config;
  if (!daemon?.listen) return undefined;
  const { host, port } = parseListenAddress(daemon.listen);
  const listener = new Listener({
    host,
    port,
    key,
    clock,
    allowOrigins: daemon.allow_origins ?? [],
    established: (channel, keys, remote) =>
      node.admit(node.connector.adopt(channel, keys.peer, "responder"), remote),
    rejected: (error, address) => node.rejected(error, address),
  });
  node.endpoint ??= `ws://${host.includes(":") ? `[${host}]` : host}:${listener.port}`;
  return listener;
}

/** Says on the local network that the node is here, where the configuration wants it. */
async function announce(
  node: Node,
  listener: Listener | undefined,
  { key, clock, notice }: NodeOptions,
): Promise<Disposable | undefined> {
  const { daemon } = node.config;
  if (!daemon?.advertise_lan) return undefined;
  const { Announcer } = await import("./discovery/announcer.ts");
  const announcer =
    listener &&
    (await Announcer.open({
      name: node.nodeId,
      key: key.publicKey,
      host: parseListenAddress(daemon.listen ?? "").host,
      port: listener.port,
      endpoint: daemon.endpoint && parseEndpoint(daemon.endpoint),
      clock,
    }));
  if (!announcer)
    notice(
      `daemon.advertise_lan has no effect: ${listener ? "no network interface does multicast DNS" : "without daemon.listen nobody can connect"}`,
    );
  return announcer;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function drainSignal(clock: Clock): AbortSignal {
  const controller = new AbortController();
  clock.after(DRAIN_MS, () => controller.abort());
  return controller.signal;
}
