// The nodes around this one: listing, pinging, inviting, joining, discovering, forgetting. Implements Peers.
// It must never give more than an invitation says: the joiner gets its roles, the inviter gets nothing.
// Next: invites.ts for codes and proofs; connector.ts for sessions; capabilities/node asks for it.

import type { Clock } from "../clock.ts";
import type { NewPrincipal } from "../config/edit.ts";
import type { NodeInfo, PeerInfo, Peers } from "../contract/services.ts";
import { OperonError } from "../error.ts";
import type { KeyPair } from "../identity/key.ts";
import { PublicKey } from "../identity/key.ts";
import { parseEndpoint } from "../wire/dial.ts";
import type { Address, AddressBook } from "./address_book.ts";
import type { Connector } from "./connector.ts";
import { Discoverer } from "./discovery/discover.ts";
import { formatCode, type Invites, parseCode, proofOf } from "./invites.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";

/** What the service is made of. */
export interface PeerServiceOptions {
  readonly key: KeyPair;
  readonly clock: Clock;
  readonly addresses: AddressBook;
  readonly connector: Connector;
  readonly invites: Invites;
  readonly info: () => NodeInfo;
  /** Roles that exist in the policy in force. */
  readonly roles: () => readonly string[];
  /** Adds a principal to the configuration and takes the new policy into force. */
  readonly addPrincipal: (principal: NewPrincipal) => Promise<string>;
  /** Calls a node as this one. */
  readonly call: (
    node: string,
    operation: string,
    input: unknown,
    signal: AbortSignal,
  ) => Promise<unknown>;
}

/** The nodes around a node. */
export class PeerService implements Peers {
  readonly #options: PeerServiceOptions;
  /** Redeeming edits the configuration: one at a time. */
  #redeeming: Promise<unknown> = Promise.resolve();
  readonly #discoverer = new Discoverer();

  constructor(options: PeerServiceOptions) {
    this.#options = options;
  }

  info(): NodeInfo {
    return this.#options.info();
  }

  list(): readonly PeerInfo[] {
    const self = this.info();
    const own: PeerInfo = {
      name: self.node_id,
      key: self.key,
      endpoint: self.endpoint,
      labels: {},
      state: "self",
    };
    const known = this.#options.addresses.list();
    const keys = new Set(known.map((address) => address.key?.id));
    // Nodes that dialled us but have no name here are peers too: they can be called by their key.
    const unnamed = this.#options.connector.connectedKeys
      .filter((key) => !keys.has(key) && key !== self.key)
      .map(
        (key): PeerInfo => ({
          name: key,
          key,
          endpoint: undefined,
          labels: {},
          state: "connected",
        }),
      );
    return [own, ...known.map((address) => this.#peerInfo(address)), ...unnamed];
  }

  resolve(name: string): PeerInfo {
    const { addresses } = this.#options;
    if (addresses.isOwn(name)) return this.list()[0] as PeerInfo;
    return this.#peerInfo(addresses.find(name));
  }

  async ping(name: string, count: number, signal: AbortSignal): ReturnType<Peers["ping"]> {
    const { addresses, clock, connector, call } = this.#options;
    const round_trips_us: number[] = [];
    let version = "";
    for (let index = 0; index < count; index++) {
      const startMs = clock.monotonicMs();
      const info = (await call(name, "node.info", {}, signal)) as NodeInfo;
      round_trips_us.push(Math.round((clock.monotonicMs() - startMs) * 1000));
      version = info.version;
    }
    const clock_offset_ms = addresses.isOwn(name)
      ? 0
      : connector.clockOffsetMs(await connector.session(name));
    return { round_trips_us, clock_offset_ms, version };
  }

  async invite(options: Parameters<Peers["invite"]>[0]): ReturnType<Peers["invite"]> {
    const { clock, invites, key } = this.#options;
    for (const role of options.roles) this.#assertRole(role);
    const endpoint = options.endpoint ?? this.info().endpoint;
    if (endpoint === undefined) throw noEndpoint();
    const expiresMs = clock.nowMs() + options.expires_secs * 1000;
    const secret = invites.open({
      roles: options.roles,
      expires_ms: expiresMs,
      ...(options.name === undefined ? {} : { name: options.name }),
    });
    return {
      code: formatCode({ endpoint: parseEndpoint(endpoint), key: key.publicKey, secret }),
      expires_at: new Date(expiresMs).toISOString(),
      fingerprint: key.publicKey.fingerprint,
      endpoint: parseEndpoint(endpoint),
    };
  }

  async join(
    code: string,
    options: { name?: string; signal: AbortSignal },
  ): ReturnType<Peers["join"]> {
    const { addresses, connector, key } = this.#options;
    const { endpoint, key: inviter, secret } = parseCode(code);
    if (inviter.equals(key.publicKey)) throw ownCode();
    const self = this.info();
    const warm = connector.usable(inviter.id);
    const session = warm ?? (await connector.dialKey(endpoint, inviter, options.signal));
    const input = {
      proof: proofOf(secret, inviter, key.publicKey.id),
      name: self.node_id,
      ...(self.endpoint === undefined ? {} : { endpoint: self.endpoint }),
    };
    const sent = session.call(requestBytes("node.redeem", input, {}));
    const call = ongoingCall(sent, () => inviter.id, { signal: options.signal });
    const answer = (await call.output.catch((error) => {
      // Nothing was joined, so nothing stays connected.
      if (!warm) session.close("");
      throw error;
    })) as { node_id: string; roles: string[] };
    const isDialled = warm === undefined;
    const name =
      options.name ?? this.#nameFor(String(answer.node_id), isDialled ? endpoint : undefined);
    addresses.pin({ name, key: inviter, endpoint });
    return { node: name, key: inviter.id, endpoint, roles: answer.roles };
  }

  redeem(proof: string, caller: Parameters<Peers["redeem"]>[1]): ReturnType<Peers["redeem"]> {
    const redeemed = this.#redeeming.then(() => this.#redeem(proof, caller));
    this.#redeeming = redeemed.catch(() => {});
    return redeemed;
  }

  discover(options: Parameters<Peers["discover"]>[0]): ReturnType<Peers["discover"]> {
    const { addresses, clock } = this.#options;
    const { node_id, key } = this.info();
    return this.#discoverer.discover(
      { own: { name: node_id, key }, known: addresses.list() },
      {
        clock,
        durationMs: options.duration_ms,
        checkHealth: options.check_health,
        signal: options.signal,
      },
    );
  }

  async forget(name: string): ReturnType<Peers["forget"]> {
    const { addresses, connector } = this.#options;
    const known = addresses.list().find((address) => address.name === name);
    const came = addresses.forget(name);
    if (came === "forgotten" && known?.key) connector.drop(known.key.id, "");
    return came;
  }

  async #redeem(
    proof: string,
    caller: Parameters<Peers["redeem"]>[1],
  ): ReturnType<Peers["redeem"]> {
    const { addPrincipal, addresses, invites, key } = this.#options;
    const invite = invites.take(proof, key.publicKey, caller.key);
    const name = await addPrincipal({
      name: invite.name ?? caller.name ?? "node",
      key: caller.key,
      roles: invite.roles,
      isSelfNamed: invite.name === undefined,
    });
    const isKnown = addresses.list().some((address) => address.name === name);
    if (!isKnown)
      addresses.pin({ name, key: PublicKey.parse(caller.key), endpoint: caller.endpoint });
    return { node_id: this.info().node_id, roles: invite.roles };
  }

  /**
   * What another node calls itself, numbered where that would make a name mean it that means something else here: the
   * own node, or an address in the configuration whose key nobody has seen yet.
   * @param endpoint where it answered
   */
  #nameFor(wished: string, endpoint: string | undefined): string {
    const { addresses } = this.#options;
    const known = new Map(addresses.list().map((address) => [address.name, address]));
    const isTaken = (name: string) => {
      const address = known.get(name);
      const isKeyless = address !== undefined && address.key === undefined;
      return addresses.isOwn(name) || (isKeyless && address.endpoint !== endpoint);
    };
    let name = wished;
    for (let number = 2; isTaken(name); number++) name = `${wished}-${number}`;
    return name;
  }

  #peerInfo(address: Address): PeerInfo {
    const isConnected =
      address.key !== undefined && this.#options.connector.usable(address.key.id) !== undefined;
    return {
      name: address.name,
      key: address.key?.id,
      endpoint: address.endpoint,
      labels: address.labels,
      state: isConnected ? "connected" : "idle",
    };
  }

  #assertRole(role: string): void {
    const roles = this.#options.roles();
    if (roles.includes(role)) return;
    throw new OperonError({
      code: "node.role_unknown",
      kind: "not_found",
      message: `The policy of this node has no role "${role}"`,
      hint:
        roles.length > 0
          ? `It has: ${roles.join(", ")}`
          : "Define one under policy.roles in the configuration",
    });
  }
}

function noEndpoint(): OperonError {
  return new OperonError({
    code: "node.no_endpoint",
    kind: "failed_precondition",
    message: "This node does not listen anywhere, so nobody could use the code",
    hint: "Set daemon.listen in the configuration, or name the address others reach it at with --endpoint",
  });
}

function ownCode(): OperonError {
  return new OperonError({
    code: "node.code_invalid",
    kind: "invalid_argument",
    message: "This code was made by this very node",
    hint: "Carry it to the other machine and run operon node join there",
  });
}
