// Where a node keeps what is its own: key, configuration, known nodes, audit, traces, socket.
// It must never create anything: `onboard` does.
// Next: keystore.ts, known_nodes.ts; node/daemon.ts opens the rest.

import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Paths in a home folder. */
export interface Home {
  readonly path: string;
  readonly key_path: string;
  readonly config_path: string;
  readonly known_nodes_path: string;
  /** What the configuration says about other nodes, for commands without a daemon; may be deleted at any time. */
  readonly nodes_cache_path: string;
  readonly invites_path: string;
  readonly audit_path: string;
  readonly traces_path: string;
  readonly socket_path: string;
  readonly lock_path: string;
  readonly history_path: string;
  /** What capabilities keep, a folder for each. */
  readonly state_path: string;
}

/** The home: `OPERON_HOME`, else `~/.operon`. */
export function resolveHome(env: Readonly<Record<string, string | undefined>>): Home {
  const named = env.OPERON_HOME;
  return homeAt(named ? resolve(named) : join(env.HOME || homedir(), ".operon"));
}

/** The home in a given folder. */
export function homeAt(path: string): Home {
  return {
    path,
    key_path: join(path, "key"),
    config_path: join(path, "config.yaml"),
    known_nodes_path: join(path, "known_nodes.json"),
    nodes_cache_path: join(path, "nodes_cache.json"),
    invites_path: join(path, "invites.json"),
    audit_path: join(path, "audit"),
    traces_path: join(path, "traces"),
    socket_path: join(path, "daemon.sock"),
    lock_path: join(path, "daemon.lock"),
    history_path: join(path, "history"),
    state_path: join(path, "state"),
  };
}
