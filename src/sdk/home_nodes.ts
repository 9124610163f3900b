// The nodes a home's configuration and pins name, called from a process that is no node: Node.js without a daemon.
// It must never pin a key silently: what is pinned is told, and kept in the home as the daemon would.
// Next: remote_caller.ts dials them.

import { z } from "zod";
import type { CallerOptions } from "../caller.ts";
import { loadConfig } from "../config/load.ts";
import type { Caller } from "../contract/caller.ts";
import { loadKey } from "../identity/keystore.ts";
import { loadManifest } from "../manifest.ts";
import { RemoteCaller } from "./remote_caller.ts";

/** @throws OperonError `config.*`, `identity.*` */
export async function openHomeNodes(options: CallerOptions): Promise<Caller> {
  const { home, configPath, identity, clock, notice } = options;
  // What capabilities make of their own sections is the node's business, and this is none.
  const settings = Object.fromEntries(
    (await loadManifest()).map(({ id, settings_key }) => [settings_key ?? id, z.unknown()]),
  );
  const { config } = await loadConfig(configPath, { settings });
  return new RemoteCaller({
    key: identity ?? loadKey(home.key_path),
    nodes: config.client?.nodes ?? {},
    knownNodesPath: home.known_nodes_path,
    ownName: config.daemon?.node_id ?? "local",
    clock,
    notice,
  });
}
