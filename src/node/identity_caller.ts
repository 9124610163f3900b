// Calls as another key than the home's, without a daemon: other nodes are dialled with that key, the own node is asked
// as a relay would ask it. It must never sign with the home's key.
// Next: local_caller.ts does the same through a daemon.

import type { Clock } from "../clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import { signRequests } from "../wire/batch.ts";
import { ReplayGuard } from "../wire/replay.ts";
import type { SentCall } from "../wire/session_events.ts";
import { Connector } from "./connector.ts";
import type { Node } from "./node.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";

/** Who calls. */
export interface IdentityCallerOptions {
  readonly identity: KeyPair;
  readonly clock: Clock;
  readonly software: string;
  readonly notice: (text: string) => void;
}

/** A caller with a key of its own on somebody's node. */
export class IdentityCaller implements Caller {
  readonly #node: Node;
  readonly #options: IdentityCallerOptions;
  readonly #connector: Connector;

  constructor(node: Node, options: IdentityCallerOptions) {
    this.#node = node;
    this.#options = options;
    const { identity: key, clock, software, notice } = options;
    const replay = new ReplayGuard({ clock, notBeforeMs: clock.nowMs() });
    this.#connector = new Connector({
      key,
      clock,
      addresses: node.addresses,
      replay,
      software,
      notice,
    });
  }

  call(name: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    if (!this.#node.addresses.isOwn(name)) {
      return this.#connector.call(name, operation, input, options);
    }
    let serving: string | undefined;
    const sent = this.#node.session(name).then((session): SentCall => {
      serving = session.peer?.id;
      const request = requestBytes(operation, input, options);
      const batch = signRequests({
        key: this.#options.identity,
        addressee: session.peer as PublicKey,
        batchId: crypto.getRandomValues(new Uint8Array(16)),
        timeMs: this.#options.clock.nowMs(),
        requests: [request],
      });
      return session.forward(batch, [request])[0] as SentCall;
    });
    return ongoingCall(sent, () => serving, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connector.close();
    await this.#node[Symbol.asyncDispose]();
  }
}
