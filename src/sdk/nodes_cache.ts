// What a configuration says about other nodes, kept in the home for commands that run without a daemon: reading a whole
// configuration takes longer than the call. It must never be believed unless it was made from these very bytes by this
// very version, nor be a reason to fail: without it the configuration is read.
// Next: home_nodes.ts makes and uses it.

import { dirname, resolve } from "node:path";
import type { Home } from "../identity/home.ts";
import {
  assertPrivateFolder,
  readPrivateFile,
  writePrivateFile,
} from "../identity/private_file.ts";
import type { ConfiguredNode } from "../node/address_book.ts";
import { VERSION } from "../version.ts";
import { sha256 } from "../wire/sha256.ts";

const BYTES_MAX = 1024 * 1024;

/** The part of a configuration that calls to other nodes need. */
export interface HomeNodes {
  readonly own_name: string;
  readonly nodes: Readonly<Record<string, ConfiguredNode>>;
}

/** A configuration's bytes, named. */
export type Fingerprint = string;

/** Names the file as it stands; `undefined` when it cannot be read or others could have written it. */
export function fingerprintOf(configPath: string): Fingerprint | undefined {
  try {
    const bytes = readPrivateFile(configPath, { maxBytes: BYTES_MAX, privacy: "trusted" });
    assertPrivateFolder(dirname(resolve(configPath)));
    return `${VERSION} ${sha256(bytes).toHex()}`;
  } catch {
    return undefined;
  }
}

/** What is kept of the configuration with this fingerprint. */
export function readNodesCache(home: Home, fingerprint: Fingerprint): HomeNodes | undefined {
  try {
    const bytes = readPrivateFile(home.nodes_cache_path, { maxBytes: BYTES_MAX });
    const kept = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return kept.fingerprint === fingerprint ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps it; a home that cannot be written to does without. */
export function writeNodesCache(home: Home, fingerprint: Fingerprint, kept: HomeNodes): void {
  try {
    const { own_name, nodes } = kept;
    const text = JSON.stringify({ fingerprint, own_name, nodes });
    writePrivateFile(home.nodes_cache_path, Buffer.from(`${text}\n`));
  } catch {
    // The next command reads the configuration again.
  }
}
