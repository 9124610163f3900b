// A node with a lifetime: lock, port, local socket, configuration watch, and an orderly end.
// It must never open a port before its policy is in force, nor drop a call that could have ended in time.
// Next: node.ts serves; main.ts starts this and turns signals into an abort.

import type { Clock } from "../clock.ts";
import { watchConfig } from "../config/watch.ts";
import { DRAIN_MS } from "../limits.ts";
import { openLocalDoor } from "./local_door.ts";
import { lockHome } from "./lock.ts";
import { Node, type NodeOptions } from "./node.ts";
import { PublicDoor } from "./public_door.ts";
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
  await using door = new PublicDoor(node, options);
  const reload = async () => {
    const isTaken = await node.reload();
    if (isTaken) await door.follow();
    return isTaken;
  };
  try {
    using _local = openLocalDoor({
      path: home.socket_path,
      key,
      clock,
      software: `operon/${version}`,
      session: (name) => node.session(name),
    });
    const watching = new AbortController();
    watchConfig(options.configPath, {
      signal: watching.signal,
      onChange: async () => void (await reload()),
      onError: (error) =>
        notice(
          `The configuration cannot be watched: ${error instanceof Error ? error.message : String(error)}`,
        ),
    });
    await door.announce();
    using _witnesses = new Witnesses({ node, ...options });
    node.connector.keepWarm();
    void node.endRevoked();
    ready({
      node_id: node.nodeId,
      key: key.publicKey.id,
      endpoint: node.endpoint,
      socket: home.socket_path,
    });
    reloads?.(reload);
    await aborted(signal);
    stopping?.();
    watching.abort();
    door.stop();
    await node.drain(drainSignal(clock));
  } finally {
    await node.audit.appendRelaxed({ event: "stopped" }).catch(() => {});
    node.connector.close();
  }
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
