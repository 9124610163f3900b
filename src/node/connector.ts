// Sessions to other nodes: dials them when needed, keeps them warm, reconnects, and finds those that dialled us.
// It must never use a session whose key is not the one the name stands for, nor pin a key silently.
// Next: wire/dial.ts connects; address_book.ts says where; node.ts serves what comes in.

import type { Clock } from "../clock.ts";
import type { CallOptions, OngoingCall } from "../contract/caller.ts";
import { OperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import type { RecordChannel } from "../wire/channel.ts";
import { dial } from "../wire/dial.ts";
import type { ReplayGuard } from "../wire/replay.ts";
import { Session } from "../wire/session.ts";
import type { SentCall, VerifiedMessage } from "../wire/session_events.ts";
import type { Address, AddressBook } from "./address_book.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";

/** First and longest pause between attempts to reconnect (ms); each pause doubles, with jitter. */
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 30_000;

/** What a connector is made of. */
export interface ConnectorOptions {
  readonly key: KeyPair;
  readonly clock: Clock;
  readonly addresses: AddressBook;
  readonly replay: ReplayGuard;
  readonly software: string;
  /** Serves requests that come in over any session; without it they are refused. */
  readonly serve?: (message: VerifiedMessage, session: Session) => void;
  /** Something a person should know: a key pinned on first use, a peer gone. */
  readonly notice: (text: string) => void;
}

/** The sessions of this process. */
export class Connector {
  readonly #options: ConnectorOptions;
  /** Sessions by the other end's key id, newest last. */
  readonly #sessions = new Map<string, Set<Session>>();
  readonly #dialling = new Map<string, Promise<Session>>();
  readonly #closing = new AbortController();
  readonly #clockOffsets = new WeakMap<Session, number>();

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** Calls a node by name; the session is made when there is none. */
  call(name: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const request = requestBytes(operation, input, options);
    const { key } = this.#options.addresses.find(name);
    const warm = key ? this.usable(key.id) : undefined;
    if (warm)
      return ongoingCall(warm.call(request), () => key?.id, {
        ...options,
        clock: this.#options.clock,
      });
    let peer: string | undefined;
    const sent = this.session(name).then((session): SentCall => {
      peer = session.peer?.id;
      return session.call(request);
    });
    return ongoingCall(sent, () => peer, { ...options, clock: this.#options.clock });
  }

  /** A usable session to a node. @throws OperonError `node.unknown`, `node.unreachable`, `node.own_key`, `wire.*` */
  session(name: string): Promise<Session> {
    const address = this.#options.addresses.find(name);
    if (address.key?.equals(this.#options.key.publicKey)) return Promise.reject(ownKey(name));
    const warm = address.key ? this.usable(address.key.id) : undefined;
    if (warm) return Promise.resolve(warm);
    let dialling = this.#dialling.get(name);
    if (!dialling) {
      dialling = this.#dial(address).finally(() => this.#dialling.delete(name));
      this.#dialling.set(name, dialling);
    }
    return dialling;
  }

  /** The newest usable session with this key, if there is one. */
  usable(keyId: string): Session | undefined {
    const sessions = this.#sessions.get(keyId);
    if (!sessions) return undefined;
    return [...sessions].findLast((session) => session.isUsable);
  }

  /** Dials an endpoint that must have this key; used where no name exists yet. */
  async dialKey(endpoint: string, expected: PublicKey, signal: AbortSignal): Promise<Session> {
    const { key, clock } = this.#options;
    return dial({ endpoint, key, expected, clock, signal }, (channel, keys) =>
      this.adopt(channel, keys.peer, "initiator"),
    );
  }

  /** Makes a session of a fresh channel, from whichever side it was opened. */
  adopt(channel: RecordChannel, peer: PublicKey, role: "initiator" | "responder"): Session {
    const { key, clock, replay, software } = this.#options;
    // No handshake ends with the own key at the other end: that channel does not leave this process.
    const accept: ReplayGuard["accept"] = peer.equals(key.publicKey)
      ? (...batch) => replay.acceptFromHere(...batch)
      : (...batch) => replay.accept(...batch);
    const session: Session = new Session({
      channel,
      role,
      key,
      peer,
      clock,
      replay: { accept },
      software,
      events: {
        request: (message) => this.#serve(message, session),
        hello: (hello) => void this.#clockOffsets.set(session, hello.time_ms - clock.nowMs()),
        closed: () => this.#gone(peer.id, session),
      },
    });
    // Else the peer would take this session, its newest, for a way to the node that has the same key.
    if (!this.#options.serve) session.goaway("This end only calls");
    const sessions = this.#sessions.get(peer.id) ?? new Set();
    sessions.add(session);
    this.#sessions.set(peer.id, sessions);
    return session;
  }

  /** How far the peer's clock was ahead of ours when it said hello (ms). */
  clockOffsetMs(session: Session): number {
    return this.#clockOffsets.get(session) ?? 0;
  }

  /** Keys of all peers with an open session. */
  get connectedKeys(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  /** Keeps sessions to all known nodes with an endpoint open until closed: so a node behind NAT stays callable. */
  keepWarm(): void {
    for (const { name, endpoint } of this.#options.addresses.list())
      if (endpoint !== undefined) void this.#keep(name);
  }

  /** Asks all peers to send no more calls. */
  goaway(message: string): void {
    for (const session of this.#all()) session.goaway(message);
  }

  /** Closes sessions with a key, e.g. when its principal was removed. */
  drop(keyId: string, reason: string): void {
    for (const session of [...(this.#sessions.get(keyId) ?? [])]) session.close(reason);
  }

  /** Ends everything. */
  close(): void {
    this.#closing.abort();
    for (const session of this.#all()) session.close("");
  }

  #all(): Session[] {
    return [...this.#sessions.values()].flatMap((sessions) => [...sessions]);
  }

  async #dial(address: Address): Promise<Session> {
    const { key, clock, addresses, notice } = this.#options;
    const { endpoint, name } = address;
    if (endpoint === undefined) throw noEndpoint(name);
    const session = await dial(
      { endpoint, key, expected: address.key, clock, signal: this.#closing.signal },
      (channel, keys) => this.adopt(channel, keys.peer, "initiator"),
    ).catch((error) => {
      throw explainKeyMismatch(error, address);
    });
    if (!address.key && session.peer) {
      addresses.pin({ name, key: session.peer, endpoint });
      notice(
        `${name} is ${session.peer.id} from now on: its key was pinned on first use. Compare it on that machine with: operon node info`,
      );
    }
    return session;
  }

  async #keep(name: string): Promise<void> {
    let pauseMs = BACKOFF_MS_MIN;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const session = await this.session(name);
        pauseMs = BACKOFF_MS_MIN;
        await session.ended;
      } catch (error) {
        // Forgotten meanwhile, or the key changed: trying again cannot help.
        if (error instanceof OperonError && !error.retryable) return;
        pauseMs = Math.min(pauseMs * 2, BACKOFF_MS_MAX);
      }
      await this.#options.clock.sleep(pauseMs * (0.75 + Math.random() / 2), signal).catch(() => {});
    }
  }

  #serve(message: VerifiedMessage, session: Session): void {
    if (this.#options.serve) return this.#options.serve(message, session);
    throw new OperonError({
      code: "node.not_serving",
      kind: "unavailable",
      message: "This end of the connection serves no calls",
      hint: "Start its daemon with operon daemon start",
    });
  }

  #gone(keyId: string, session: Session): void {
    const sessions = this.#sessions.get(keyId);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#sessions.delete(keyId);
  }
}

function noEndpoint(name: string): OperonError {
  return new OperonError({
    code: "node.unreachable",
    kind: "unavailable",
    message: `${name} is known, but it is not connected and no endpoint is known for it`,
    hint: `Start its daemon, so that it dials this node; or set client.nodes.${name}.endpoint in the configuration`,
  });
}

function ownKey(name: string): OperonError {
  return new OperonError({
    code: "node.own_key",
    kind: "unauthenticated",
    message: `The key known for ${name} is this node's own`,
    hint: `Write the key that operon node info shows on that machine; this node itself is called local`,
  });
}

function explainKeyMismatch(error: unknown, { name, isKeyConfigured }: Address): unknown {
  if (!(error instanceof OperonError) || error.code !== "wire.peer_key_mismatch") return error;
  const change = isKeyConfigured
    ? `write it to client.nodes.${name}.key in the configuration`
    : `operon node forget ${name}, then join it again`;
  return new OperonError({
    code: "identity.key_changed",
    kind: "unauthenticated",
    message: `${name} showed another key than the one pinned for it: either it was set up anew, or something else answers at its address`,
    hint: `Compare with operon node info on that machine. If the new key is right: ${change}`,
    ...(error.data ? { data: error.data } : {}),
  });
}
