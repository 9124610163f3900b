// The SDK: nodes as typed objects, derived from the built-in capabilities' definitions. The same on Bun and Node.js.
// It must never know an operation by name: methods come from the definitions, and each call is a signed request.
// Next: connect() is where to begin; sdk_peer.ts makes the methods, caller.ts finds the way to the nodes.

import { openCaller } from "./caller.ts";
import { systemClock } from "./clock.ts";
import type { Caller } from "./contract/caller.ts";
import type { CapabilityDescription } from "./contract/description.ts";
import { resolveHome } from "./identity/home.ts";
import { loadKey } from "./identity/keystore.ts";
import { loadManifest } from "./manifest.ts";
import { makePeer } from "./sdk_peer.ts";
import type { Peer } from "./sdk_types.ts";

export type { CallReceipt } from "./contract/caller.ts";
export type { ErrorDocument, ErrorKind } from "./error.ts";
export { OperonError } from "./error.ts";
export type {
  Command,
  CommandOptions,
  CommandResult,
  CommandTag,
  CommandWord,
} from "./sdk_command.ts";
export type { PeerCallOptions, StreamingCall } from "./sdk_peer.ts";
export type { Peer } from "./sdk_types.ts";

/** A connection to the nodes this machine knows. It reconnects by itself; dispose of it when done. */
export interface Operon extends AsyncDisposable {
  /** A node by name; `local` is the own one. Nothing is sent until an operation is called. */
  node(name: string): Peer;
}

/** A node to call without a home. */
export interface NodeAddress {
  /** `ws://host:port` */
  readonly endpoint: string;
  /** `ed25519:…`, as `operon node info` shows it there. */
  readonly key: string;
}

/** Where to connect from. */
export interface ConnectOptions {
  /** Home folder; default `OPERON_HOME`, else `~/.operon`. */
  readonly home?: string;
  /** Configuration file; default `config.yaml` in the home. */
  readonly config?: string;
  /** Private key file to sign with instead of acting as the home: operon's or an unencrypted SSH key (Ed25519). */
  readonly identity?: string;
  /** Call these nodes and no others, as `identity`; no home is needed, nor looked at. */
  readonly nodes?: Readonly<Record<string, NodeAddress>>;
}

/**
 * Connects through the home's daemon when one runs, else directly.
 * @throws OperonError `config.missing`, `identity.*`, `sdk.*`
 */
export async function connect(options: ConnectOptions = {}): Promise<Operon> {
  const manifest = await loadManifest();
  const identity = options.identity === undefined ? undefined : loadKey(options.identity);
  const notice = (text: string) => console.error(`operon: ${text}`);
  if (options.nodes) {
    const { openRemote } = await import("./caller.ts");
    const caller = await openRemote({ nodes: options.nodes, identity, notice });
    return operonOver(caller, manifest);
  }
  const environment =
    options.home === undefined ? process.env : { ...process.env, OPERON_HOME: options.home };
  const home = resolveHome(environment);
  const caller = await openCaller({
    home,
    configPath: options.config ?? home.config_path,
    clock: systemClock,
    identity,
    notice,
    reconnects: manifest,
  });
  return operonOver(caller, manifest);
}

/** The SDK over any caller. */
export function operonOver(caller: Caller, manifest: readonly CapabilityDescription[]): Operon {
  return {
    // The types come from the same definitions the manifest is made of.
    node: (name) => makePeer(name, { caller, manifest }) as Peer,
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  };
}
