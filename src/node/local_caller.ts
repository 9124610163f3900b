// Calls nodes through the daemon of this home, over its local socket: no handshake, no key, no configuration to load.
// It must never fall back to another way by itself; who made it decides what to do when there is no daemon.
// Next: local_door.ts is the daemon's end; connector.ts is how a caller does without one.

import type { Clock } from "../clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import type { KeyPair } from "../identity/key.ts";
import { PublicKey } from "../identity/key.ts";
import { signRequests } from "../wire/batch.ts";
import { dialLocal } from "../wire/local_dial.ts";
import { Session } from "../wire/session.ts";
import type { SentCall } from "../wire/session_events.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";

/** Whose key signs: the daemon's own, or one the caller holds. */
export interface LocalCallerOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly software: string;
  /** Signs for itself instead of acting as the home. */
  readonly identity?: KeyPair | undefined;
}

/** A caller that ends with its connection. */
export interface ConnectedCaller extends Caller {
  /** Whether the daemon is still at the other end, as far as is known here. */
  readonly isOpen: boolean;
}

/** @throws OperonError `wire.no_daemon` */
export function connectLocal(options: LocalCallerOptions): Promise<ConnectedCaller> {
  return dialLocal(options.socketPath, (channel) => new LocalCaller(channel, options));
}

class LocalCaller implements ConnectedCaller {
  isOpen = true;
  readonly #session: Session;
  readonly #options: LocalCallerOptions;
  /** Keys of nodes this caller signs for, by name. */
  readonly #keys = new Map<string, Promise<PublicKey>>();

  constructor(
    channel: ConstructorParameters<typeof Session>[0]["channel"],
    options: LocalCallerOptions,
  ) {
    this.#options = options;
    this.#session = new Session({
      channel,
      role: "initiator",
      // Never used: nothing is signed by a session without a peer.
      key: options.identity as KeyPair,
      peer: undefined,
      clock: options.clock,
      replay: undefined,
      software: options.software,
      events: {
        request: () => {},
        closed: () => {
          this.isOpen = false;
        },
      },
    });
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const request = requestBytes(operation, input, options);
    const { identity, clock } = this.#options;
    const sent = identity
      ? this.#relayed(node, request, identity)
      : this.#session.callLocal(node, request);
    return ongoingCall(sent, () => undefined, { ...options, clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.close("");
  }

  async #relayed(node: string, request: Uint8Array, identity: KeyPair): Promise<SentCall> {
    const batch = signRequests({
      key: identity,
      addressee: await this.#keyOf(node),
      batchId: crypto.getRandomValues(new Uint8Array(16)),
      timeMs: this.#options.clock.nowMs(),
      requests: [request],
    });
    return this.#session.relay(node, batch, [request])[0] as SentCall;
  }

  /** The daemon's address book says which key a name stands for. */
  #keyOf(node: string): Promise<PublicKey> {
    let key = this.#keys.get(node);
    if (!key) {
      const name = node === "" ? "local" : node;
      const call = this.#session.callLocal(
        "local",
        requestBytes("node.resolve", { node: name }, {}),
      );
      const ongoing = ongoingCall(call, () => undefined, {});
      key = ongoing.output.then((peer) => PublicKey.parse((peer as { key: string }).key));
      this.#keys.set(node, key);
    }
    return key;
  }
}
