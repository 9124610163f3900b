// The nodes a home's configuration and pins name, called from a process that is no node: a command without a daemon, Node.js.
// It must never pin a key silently: what is pinned is told, and kept in the home as the daemon would.
// Next: nodes_cache.ts saves reading the configuration; remote_caller.ts dials.

import type { Clock } from "../clock.ts";
import type { Home } from "../identity/home.ts";
import type { KeyPair } from "../identity/key.ts";
import { loadKey } from "../identity/keystore.ts";
import { fingerprintOf, type HomeNodes, readNodesCache, writeNodesCache } from "./nodes_cache.ts";
import { RemoteCaller } from "./remote_caller.ts";

/** Whose nodes, and as whom. */
export interface HomeNodesOptions {
  readonly home: Home;
  readonly configPath: string;
  readonly clock: Clock;
  /** Signs with this key instead of the home's. */
  readonly identity: KeyPair | undefined;
  readonly notice: (text: string) => void;
}

/** @throws OperonError `config.*`, `identity.*` */
export async function openHomeNodes(options: HomeNodesOptions): Promise<RemoteCaller> {
  const { home, identity, clock, notice } = options;
  const { nodes, own_name } = await homeNodes(options);
  return new RemoteCaller({
    key: identity ?? loadKey(home.key_path),
    nodes,
    knownNodesPath: home.known_nodes_path,
    ownName: own_name,
    clock,
    notice,
  });
}

async function homeNodes({ home, configPath }: HomeNodesOptions): Promise<HomeNodes> {
  const fingerprint = fingerprintOf(configPath);
  const kept = fingerprint && readNodesCache(home, fingerprint);
  if (kept) return kept;
  const read = await readHomeNodes(configPath);
  // Changed while it was read: what was read may be of either.
  if (fingerprint && fingerprint === fingerprintOf(configPath))
    writeNodesCache(home, fingerprint, read);
  return read;
}

async function readHomeNodes(configPath: string): Promise<HomeNodes> {
  const [{ loadConfig }, { loadManifest }, { unreadSettings }] = await Promise.all([
    import("../config/load.ts"),
    import("../manifest.ts"),
    import("../config/unread_settings.ts"),
  ]);
  // What capabilities make of their own sections is the node's business, and this is none.
  const settings = unreadSettings(await loadManifest());
  const { config } = await loadConfig(configPath, { settings });
  return { own_name: config.daemon?.node_id ?? "local", nodes: config.client?.nodes ?? {} };
}
