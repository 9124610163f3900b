// Finds the way to call nodes from a home: through its daemon, else by dialling directly, else as a node in this process.
// It must never open the home's policy to more than the daemon would: without a daemon the same pipeline runs here.
// Next: node/local_caller.ts, node/connector.ts and node/node.ts are the three ways.

import type { Clock } from "./clock.ts";
import type { Caller, CallOptions, OngoingCall } from "./contract/caller.ts";
import { pendingCall } from "./contract/pending_call.ts";
import { OperonError } from "./error.ts";
import type { Home } from "./identity/home.ts";
import type { KeyPair } from "./identity/key.ts";
import type { ConnectedCaller } from "./node/local_caller.ts";
import type { RemoteCaller } from "./sdk/remote_caller.ts";
import { VERSION } from "./version.ts";

/** Where to call from and as whom. */
export interface CallerOptions {
  readonly home: Home;
  readonly configPath: string;
  readonly clock: Clock;
  /** Signs with this key instead of the home's. */
  readonly identity: KeyPair | undefined;
  readonly notice: (text: string) => void;
}

/** @throws OperonError `identity.*` */
export async function openCaller(options: CallerOptions): Promise<Caller> {
  try {
    return await connectToDaemon(options);
  } catch (error) {
    if (!(error instanceof OperonError) || error.code !== "wire.no_daemon") throw error;
  }
  return openOwnNode(options);
}

/** @throws OperonError `wire.no_daemon` */
export async function connectToDaemon(options: CallerOptions): Promise<ConnectedCaller> {
  const { connectLocal } = await import("./node/local_caller.ts");
  return connectLocal({
    socketPath: options.home.socket_path,
    clock: options.clock,
    software: `operon/${VERSION}`,
    identity: options.identity,
  });
}

/** Calls without a daemon: dials other nodes itself, and becomes a node for calls to the own one. */
export function openOwnNode(options: CallerOptions): Caller {
  return new DirectCaller(options);
}

class DirectCaller implements Caller {
  readonly #options: CallerOptions;
  #others: Promise<RemoteCaller> | undefined;
  #own: Promise<Caller> | undefined;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const call = this.#callerFor(node).then((caller) =>
      caller.call(node, operation, input, options),
    );
    return pendingCall(call, { ...options, clock: this.#options.clock });
  }

  /** Another node needs no more than its address and a key: neither policy, nor audit log, nor capabilities. */
  async #callerFor(node: string): Promise<Caller> {
    if (node === "" || node === "local") return this.#ownNode();
    this.#others ??= openOthers(this.#options);
    const others = await this.#others;
    return others.isOwn(node) ? this.#ownNode() : others;
  }

  #ownNode(): Promise<Caller> {
    this.#own ??= openNode(this.#options);
    return this.#own;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of [this.#others, this.#own])
      await (await opening?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

async function openOthers(options: CallerOptions): Promise<RemoteCaller> {
  const { openHomeNodes } = await import("./sdk/home_nodes.ts");
  return openHomeNodes(options);
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
