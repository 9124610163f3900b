// Finds the way to call nodes from a home: through its daemon, else by dialling directly, else as a node in this process.
// It must never open the home's policy to more than the daemon would: without a daemon the same pipeline runs here.
// Next: node/local_caller.ts, node/connector.ts and node/node.ts are the three ways.

import type { Clock } from "./clock.ts";
import type { Caller, CallOptions, OngoingCall } from "./contract/caller.ts";
import type { CapabilityDescription } from "./contract/description.ts";
import { OperonError } from "./error.ts";
import type { Home } from "./identity/home.ts";
import type { KeyPair } from "./identity/key.ts";
import type { ConfiguredNode } from "./node/address_book.ts";
import { joined } from "./reconnecting_caller.ts";
import { VERSION } from "./version.ts";

/** Where to call from and as whom. */
export interface CallerOptions {
  readonly home: Home;
  readonly configPath: string;
  readonly clock: Clock;
  /** Signs with this key instead of the home's. */
  readonly identity: KeyPair | undefined;
  readonly notice: (text: string) => void;
  /** All operations, for a caller that lives long: it then finds a restarted daemon again. */
  readonly reconnects?: readonly CapabilityDescription[];
}

/** @throws OperonError `config.missing`, `identity.*` */
export async function openCaller(options: CallerOptions): Promise<Caller> {
  const { connectLocal } = await import("./node/local_caller.ts");
  const { clock, identity, home, reconnects } = options;
  const connect = () =>
    connectLocal({
      socketPath: home.socket_path,
      clock,
      software: `operon/${VERSION}`,
      identity,
    });
  try {
    const caller = await connect();
    if (!reconnects) return caller;
    const { ReconnectingCaller } = await import("./reconnecting_caller.ts");
    const operations = new Map(
      reconnects.flatMap((group) => group.operations.map((one) => [one.id, one])),
    );
    const describe = (id: string) => operations.get(id);
    return new ReconnectingCaller(caller, { clock, connect, describe });
  } catch (error) {
    if (!(error instanceof OperonError) || error.code !== "wire.no_daemon") throw error;
  }
  return typeof Bun === "undefined" ? openHomeRemote(options) : new DirectCaller(options);
}

/** Whom to call without a home. */
export interface RemoteOptions {
  readonly nodes: Readonly<Record<string, ConfiguredNode>>;
  readonly identity: KeyPair | undefined;
  readonly notice: (text: string) => void;
}

/** Calls the given nodes and no others. @throws OperonError `sdk.identity_missing`, `sdk.key_missing` */
export async function openRemote({ nodes, identity, notice }: RemoteOptions): Promise<Caller> {
  if (!identity)
    throw new OperonError({
      code: "sdk.identity_missing",
      kind: "invalid_argument",
      message: "Nodes are given, but not as whom to call them",
      hint: "Give identity: the path of a private key file",
    });
  const [{ RemoteCaller }, { systemClock }] = await Promise.all([
    import("./remote_caller.ts"),
    import("./clock.ts"),
  ]);
  return new RemoteCaller({ key: identity, nodes, ownName: "local", clock: systemClock, notice });
}

/** Without a daemon and without Bun, which a node needs: calls what the home's configuration and pins name. */
async function openHomeRemote(options: CallerOptions): Promise<Caller> {
  const [{ RemoteCaller }, { loadConfig }, { loadKey }, { z }] = await Promise.all([
    import("./remote_caller.ts"),
    import("./config/load.ts"),
    import("./identity/keystore.ts"),
    import("zod"),
  ]);
  const { home, configPath, identity, clock, notice, reconnects = [] } = options;
  // What capabilities make of their sections is the node's business, and this is none.
  const settings = Object.fromEntries(
    reconnects.map(({ id, settings_key }) => [settings_key ?? id, z.unknown()]),
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

/** Without a daemon: dials other nodes itself, and becomes a node for calls to the own one. */
class DirectCaller implements Caller {
  readonly #options: CallerOptions;
  #opening: Promise<Caller> | undefined;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    this.#opening ??= openNode(this.#options);
    return joined(this.#opening.then((caller) => caller.call(node, operation, input, options)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#opening?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

async function openNode(options: CallerOptions): Promise<Caller> {
  const [{ Node }, { Registry }, { builtin }, { loadKey }] = await Promise.all([
    import("./node/node.ts"),
    import("./contract/registry.ts"),
    import("./builtin.ts"),
    import("./identity/keystore.ts"),
  ]);
  const { home, configPath, clock, identity, notice } = options;
  const node = await Node.open({
    home,
    configPath,
    key: loadKey(home.key_path),
    registry: new Registry(Object.values(builtin)),
    clock,
    version: VERSION,
    notice,
    inspectsDamage: true,
  });
  if (!identity) return node;
  const { IdentityCaller } = await import("./node/identity_caller.ts");
  return new IdentityCaller(node, { identity, clock, software: `operon/${VERSION}`, notice });
}
