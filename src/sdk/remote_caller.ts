// Calls other nodes without being one: dials them with a key, serves nothing. What a caller on Node.js is without a daemon.
// It must never pin a key it was not given, unless a home's known nodes keep it.
// Next: node/connector.ts dials; sdk.ts says whom and as whom.

import type { Clock } from "../clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import { failedCall } from "../contract/pending_call.ts";
import { OperonError } from "../error.ts";
import type { KeyPair } from "../identity/key.ts";
import { KnownNodes } from "../identity/known_nodes.ts";
import { AddressBook, type ConfiguredNode, type KnownPins } from "../node/address_book.ts";
import { Connector } from "../node/connector.ts";
import { VERSION } from "../version.ts";
import { ReplayGuard } from "../wire/replay.ts";

/** Whom to call, and as whom. */
export interface RemoteCallerOptions {
  readonly key: KeyPair;
  readonly nodes: Readonly<Record<string, ConfiguredNode>>;
  /** Where a home keeps the keys it pinned; without it each node must come with its own. */
  readonly knownNodesPath?: string | undefined;
  readonly ownName: string;
  readonly clock: Clock;
  readonly notice: (text: string) => void;
}

/** A caller with a key and addresses. */
export class RemoteCaller implements Caller {
  readonly #addresses: AddressBook;
  readonly #connector: Connector;

  constructor(options: RemoteCallerOptions) {
    const { key, nodes, knownNodesPath, ownName, clock, notice } = options;
    this.#addresses = new AddressBook({
      known: knownNodesPath === undefined ? NOBODY : KnownNodes.open(knownNodesPath),
      configured: nodes,
      ownName,
    });
    this.#connector = new Connector({
      key,
      clock,
      addresses: this.#addresses,
      replay: new ReplayGuard({ clock, notBeforeMs: clock.nowMs() }),
      software: `operon/${VERSION}`,
      notice,
    });
  }

  /** Whether a name means the home's own node, which is not called from here. */
  isOwn(name: string): boolean {
    return this.#addresses.isOwn(name);
  }

  /** Whether a node can be called from here: its key is known, and it is connected now. */
  async reach(name: string): Promise<boolean> {
    try {
      if (this.isOwn(name) || !this.#addresses.find(name).key) return false;
      await this.#connector.session(name);
      return true;
    } catch {
      return false;
    }
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    if (this.#addresses.isOwn(node)) return failedCall(noOwnNode());
    return this.#connector.call(node, operation, input, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connector.close();
  }
}

/** Nothing is pinned: every key was given. */
const NOBODY: KnownPins = {
  list: () => [],
  find: () => undefined,
  pin: () => {},
  remove: () => false,
};

function noOwnNode(): OperonError {
  return new OperonError({
    code: "sdk.no_daemon",
    kind: "unavailable",
    message: "No daemon runs here, and this process is no node",
    hint: "Start one with operon daemon start, or call another node by its name",
  });
}
