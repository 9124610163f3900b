// Calls to other nodes for the capabilities of this one: in its own name, or handed on in the name of who signed them.
// It must never sign for anybody but the node itself, nor hand on what its caller did not sign.
// Next: connector.ts finds the sessions; wire/handed_request.ts is what is handed on.

import type { Clock } from "../clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import type { HandedCall, Outbound, OwnCall, RequestToSign } from "../contract/services.ts";
import { OperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import { readHandedRequest, signHandedRequest } from "../wire/handed_request.ts";
import type { SentCall } from "../wire/session_events.ts";
import type { AddressBook } from "./address_book.ts";
import type { Connector } from "./connector.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";

/** What it calls with. */
export interface OutboundOptions {
  readonly key: KeyPair;
  readonly clock: Clock;
  readonly connector: Connector;
  readonly addresses: AddressBook;
  /** Calls as this node. */
  readonly own: Caller;
}

/** The node's way to other nodes. */
export class NodeOutbound implements Outbound {
  readonly #options: OutboundOptions;

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  callerFor(call: OwnCall): Caller | undefined {
    return this.#isOwn(call) ? this.#options.own : undefined;
  }

  async sign(
    call: OwnCall,
    { node, operation, input, ...options }: RequestToSign,
  ): Promise<string | undefined> {
    if (!this.#isOwn(call)) return undefined;
    const { key, clock } = this.#options;
    const request = requestBytes(operation, input, options);
    const addressee = await this.#keyOf(node);
    return signHandedRequest({ key, addressee, timeMs: clock.nowMs(), request });
  }

  async handOn(
    { principal, operation, request }: HandedCall,
    options: CallOptions,
  ): Promise<OngoingCall> {
    const { key, connector, addresses, clock } = this.#options;
    const handed = readHandedRequest(request);
    const { id } = handed.addressee;
    if (handed.signer.id !== principal.id || handed.operation !== operation) throw notHandedOn();
    if (id === key.publicKey.id) throw notHandedOn();
    const name = addresses.list().find((address) => address.key?.id === id)?.name ?? id;
    const session = await connector.session(name);
    const sent = session.forward(handed.batch, [handed.request])[0] as SentCall;
    return ongoingCall(sent, () => id, { ...options, clock });
  }

  #isOwn({ principal, via }: OwnCall): boolean {
    return principal.id === this.#options.key.publicKey.id && via === undefined;
  }

  async #keyOf(node: string): Promise<PublicKey> {
    const { addresses, connector } = this.#options;
    return addresses.find(node).key ?? ((await connector.session(node)).peer as PublicKey);
  }
}

function notHandedOn(): OperonError {
  return new OperonError({
    code: "node.not_handed_on",
    kind: "permission_denied",
    message:
      "A node hands on only what its own caller signed, for another node and for this purpose",
    hint: "Call the other node directly",
  });
}
