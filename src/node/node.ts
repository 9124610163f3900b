// A node: the pipeline of one request, from a verified message to a signed response, and everything it needs around it.
// It must never let a request take another way than verify → bind → authorize → run.
// Next: invoke.ts, authority.ts, running.ts are the stages; daemon.ts gives a node a port and a lifetime.

import type { Clock } from "../clock.ts";
import { addPrincipal, type NewPrincipal } from "../config/edit.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import type { Principal } from "../contract/capability.ts";
import type { ResourceContext } from "../contract/operation.ts";
import type { Registry } from "../contract/registry.ts";
import type { NodeInfo, Services } from "../contract/services.ts";
import { OperonError, toOperonError } from "../error.ts";
import type { Home } from "../identity/home.ts";
import { type KeyPair, PublicKey } from "../identity/key.ts";
import { KnownNodes } from "../identity/known_nodes.ts";
import { UsageLedger } from "../policy/usage.ts";
import type { RemoteEnd } from "../wire/listener.ts";
import { memoryChannels } from "../wire/memory.ts";
import { PROTOCOL_VERSION } from "../wire/protocol_version.ts";
import { ReplayGuard } from "../wire/replay.ts";
import { Session } from "../wire/session.ts";
import type { VerifiedMessage } from "../wire/session_events.ts";
import { AddressBook } from "./address_book.ts";
import { type AuditWriter, Authority, Refusal } from "./authority.ts";
import { CallLimit } from "./call_limit.ts";
import { Connector } from "./connector.ts";
import { Invites } from "./invites.ts";
import { bind, type VerifiedRequest } from "./invoke.ts";
import { HostMounts } from "./mounts/host_mounts.ts";
import { openNodeAudit } from "./node_audit.ts";
import { makeServices } from "./node_services.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";
import { loadPolicyState, type PolicyState, settingsSchemas } from "./policy_state.ts";
import { Runner } from "./running.ts";
import { StrangerLimit, strangerRefused, tooManyTries } from "./stranger_limit.ts";
import { Tailnet, type TailnetFacts } from "./tailnet.ts";

/** What a node is made of. */
export interface NodeOptions {
  readonly home: Home;
  readonly configPath: string;
  readonly key: KeyPair;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly version: string;
  /** Tells a person something: pinned keys, refused reloads, failures no caller may see. */
  readonly notice: (text: string) => void;
  /** Opens even when the audit log is damaged, so that its own user can find out where; every other call is refused. */
  readonly inspectsDamage?: boolean;
}

/** A node without a port: it serves its own callers, and whoever comes in over sessions it opened. */
export class Node implements Caller {
  readonly connector: Connector;
  readonly addresses: AddressBook;
  readonly audit: AuditWriter;
  readonly #options: NodeOptions;
  readonly #runner: Runner;
  readonly #authority: Authority;
  readonly #strangers: StrangerLimit;
  readonly #invites: Invites;
  readonly #calls = new CallLimit();
  readonly #tailnet: Tailnet;
  readonly #services: Services;
  readonly #startedAt: string;
  #state: PolicyState;
  #mounts: HostMounts;
  #selfSession: Session | undefined;
  /** Where this node can be reached, once it listens. */
  endpoint: string | undefined;

  /** @throws OperonError `config.*`, `policy.*`, `audit.*` */
  static async open(options: NodeOptions): Promise<Node> {
    const state = await loadPolicyState(options.configPath, options.registry);
    const audit = await openNodeAudit({
      ...options,
      path: options.home.audit_path,
      readsMode: state.loaded.config.daemon?.audit?.reads ?? "relaxed",
      inspectsDamage: options.inspectsDamage ?? false,
    });
    return new Node(options, state, audit);
  }

  private constructor(options: NodeOptions, state: PolicyState, audit: AuditWriter) {
    this.#options = options;
    this.#state = state;
    this.audit = audit;
    this.#startedAt = new Date(options.clock.nowMs()).toISOString();
    this.#mounts = new HostMounts(state.policy.mounts);
    this.#strangers = new StrangerLimit(options.clock);
    this.#tailnet = new Tailnet(options.clock, () => this.config.daemon?.tailscale_socket);
    this.endpoint = state.loaded.config.daemon?.endpoint;
    this.addresses = new AddressBook({
      known: KnownNodes.open(options.home.known_nodes_path),
      configured: state.loaded.config.client?.nodes ?? {},
      ownName: this.nodeId,
    });
    this.connector = new Connector({
      key: options.key,
      clock: options.clock,
      addresses: this.addresses,
      // Whatever was signed before the last entry may have been served already: a clock set back reopens nothing.
      replay: new ReplayGuard({
        clock: options.clock,
        notBeforeMs: this.#notBeforeMs(),
        own: options.key.publicKey.bytes,
        isKnown: (signer) => this.isPrincipal(PublicKey.fromBytes(signer)),
      }),
      software: `operon/${options.version}`,
      serve: (message, session) => void this.#serve(message, session),
      notice: options.notice,
    });
    this.#invites = new Invites(options.home.invites_path, options.clock);
    this.#authority = new Authority({
      policy: () => this.#state.policy,
      audit,
      usage: new UsageLedger(options.clock),
      clock: options.clock,
      nodeKey: options.key.publicKey.id,
      isInviting: () => this.#invites.isOpen,
    });
    this.#services = makeServices({
      ...options,
      own: this,
      connector: this.connector,
      addresses: this.addresses,
      invites: this.#invites,
      authority: this.#authority,
      flushAudit: () => audit.flush(),
      state: () => this.#state,
      mounts: () => this.#mounts,
      services: () => this.#services,
      info: () => this.#info(),
      addPrincipal: (principal) => this.#addPrincipal(principal),
    });
    this.#runner = new Runner({
      authority: this.#authority,
      services: this.#services,
      clock: options.clock,
      isStrict: () => this.#state.loaded.config.daemon?.audit?.reads === "strict",
      report: (error, operation) => options.notice(`${operation} failed: ${describe(error)}`),
    });
  }

  /** The node's own name. */
  get nodeId(): string {
    return this.#state.loaded.config.daemon?.node_id ?? "local";
  }

  /** The configuration in force. */
  get config(): PolicyState["loaded"]["config"] {
    return this.#state.loaded.config;
  }

  /** Calls under way here. */
  get liveCalls(): number {
    return this.#runner.liveCalls;
  }

  call(name: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    if (!this.addresses.isOwn(name)) return this.connector.call(name, operation, input, options);
    const { id } = this.#options.key.publicKey;
    return ongoingCall(
      this.#self().call(requestBytes(operation, input, options)),
      () => id,
      options,
    );
  }

  /** A session to a node by name; the own names give one to this node itself. */
  async session(name: string): Promise<Session> {
    return this.addresses.isOwn(name) ? this.#self() : this.connector.session(name);
  }

  /** Whether a key is a principal here. */
  isPrincipal(key: PublicKey): boolean {
    return this.#state.policy.principals.has(key.id);
  }

  /** Takes over a fresh session; a key that is no principal gets a short while to redeem an invitation. */
  admit(session: Session, remote: RemoteEnd): void {
    this.#tailnet.admit(session, remote);
    const { peer } = session;
    // This node's own calls to a node it knows may go over the session that one opened.
    const isExpected = (key: PublicKey) => this.isPrincipal(key) || this.#isOutgoing(key.id);
    if (peer && !isExpected(peer)) this.#strangers.admit(session, () => isExpected(peer));
  }

  /** Whether this node calls the one with this key. */
  #isOutgoing(key: string): boolean {
    return this.addresses.list().some((address) => address.key?.id === key);
  }

  /** Loads the configuration again. A bad one changes nothing and is reported. Returns whether it was taken over. */
  async reload(): Promise<boolean> {
    try {
      const state = await loadPolicyState(this.#options.configPath, this.#options.registry);
      const before = this.#state.policy.principals;
      this.#state = state;
      this.#mounts = new HostMounts(state.policy.mounts);
      this.addresses.reconfigure({
        configured: state.loaded.config.client?.nodes ?? {},
        ownName: this.nodeId,
      });
      this.#runner.reauthorize();
      // A stranger was no principal before either: it may be about to redeem an invitation.
      const revoked = new Set(
        [...before.keys()].filter((key) => !state.policy.principals.has(key)),
      );
      for (const key of this.connector.connectedKeys) if (revoked.has(key)) this.#dropRevoked(key);
      if (revoked.size > 0) void this.endRevoked();
      await this.audit.appendRelaxed({ event: "policy_loaded", detail: state.loaded.fingerprint });
      return true;
    } catch (error) {
      const { code, message } = toOperonError(error);
      this.#options.notice(
        `The configuration was not taken over, the last good one stays in force: ${message}`,
      );
      await this.audit.appendRelaxed({ event: "policy_refused", detail: code }).catch(() => {});
      return false;
    }
  }

  /** Ends what goes on without a call, jobs say, for keys that are principals no more. */
  async endRevoked(): Promise<void> {
    const isPrincipal = (key: string) => this.#state.policy.principals.has(key);
    for (const { id, afterRevocation } of this.#options.registry.capabilities) {
      await afterRevocation?.(this.#services, isPrincipal).catch((error: unknown) =>
        this.#options.notice(`What revoked keys left in ${id} was not ended: ${describe(error)}`),
      );
    }
  }

  /** Records a connection that did not become a session. */
  rejected(error: OperonError, address: string): void {
    if (!this.#strangers.mayRecord()) return;
    this.audit
      .appendRelaxed({ event: "rejected", detail: `${error.code} from ${address}` })
      .catch(() => {});
  }

  /** Lets live calls end until the signal aborts, then cancels them, then closes everything. */
  async drain(signal: AbortSignal): Promise<void> {
    this.connector.goaway("The node is shutting down");
    await this.#runner.idle(signal);
    this.#runner.abortAll(shuttingDown());
    await this.#runner.idle(AbortSignal.timeout(500));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#runner.abortAll(shuttingDown());
    // The last responses are on their way: the turn ends before the sockets do.
    await new Promise((resolve) => setImmediate(resolve));
    this.#selfSession?.close("");
    this.connector.close();
    this.#authority[Symbol.dispose]();
    await this.audit.close();
  }

  async #serve(message: VerifiedMessage, session: Session): Promise<void> {
    const found = this.#tailnet.factsOf(session);
    const facts = found instanceof Promise ? await found : found;
    const request = this.#identify(message, session, facts);
    try {
      this.#refuseStranger(request);
      using _entered = this.#calls.enter(request.principal.id);
      const bound = await bind(request, {
        registry: this.#options.registry,
        context: this.#context(),
        services: this.#services,
      });
      const authorized = await this.#authority.authorize(bound);
      await this.#runner.run(authorized);
    } catch (error) {
      if (error instanceof Refusal) {
        const receipt = this.#authority.receipt(error.decision, error.audit);
        return message.respond({ ok: false, error: error.error.toDocument(), receipt });
      }
      const visible = toOperonError(error);
      if (visible.code === "node.internal")
        this.#options.notice(`${message.body.operation} failed: ${describe(error)}`);
      if (this.isPrincipal(message.signer) || this.#strangers.mayRecord())
        this.#authority.rejected(request.principal, message.body.operation, visible);
      message.respond({ ok: false, error: visible.toDocument() });
    }
  }

  #identify(message: VerifiedMessage, session: Session, facts: TailnetFacts): VerifiedRequest {
    const isRelayed = session.peer !== undefined && !session.peer.equals(message.signer);
    return {
      message,
      principal: this.#principal(message.signer),
      via: isRelayed && session.peer ? this.#principal(session.peer) : undefined,
      // What is known of the connection is known of the relay then, not of the caller.
      facts: isRelayed ? {} : facts,
    };
  }

  #principal(key: PublicKey): Principal {
    const known = this.#state.policy.principals.get(key.id);
    return { id: key.id, name: known?.name ?? key.id, roles: known?.roles ?? [] };
  }

  /** A key nobody knows gets one answer, whatever it asks: neither operations nor inputs are looked at for it. */
  #refuseStranger({ message, principal, via }: VerifiedRequest): void {
    const { principals } = this.#state.policy;
    const isKnown = principals.has(principal.id) || this.#isInvited(message.body.operation);
    const isRelayKnown =
      via === undefined || principals.has(via.id) || via.id === this.#options.key.publicKey.id;
    if (!isKnown || !isRelayKnown) throw strangerRefused(principal, isKnown);
    if (!principals.has(principal.id) && !this.#strangers.mayTry()) throw tooManyTries();
  }

  /** Whether a stranger may ask for this now. */
  #isInvited(operation: string): boolean {
    const isOpen = this.#options.registry.find(operation)?.operation.open_to === "invited";
    return isOpen && this.#invites.isOpen;
  }

  #self(): Session {
    if (this.#selfSession?.isUsable) return this.#selfSession;
    const [near, far] = memoryChannels();
    const { key, clock, version } = this.#options;
    this.connector.adopt(far, key.publicKey, "responder");
    this.#selfSession = new Session({
      channel: near,
      role: "initiator",
      key,
      peer: key.publicKey,
      clock,
      replay: undefined,
      software: `operon/${version}`,
      events: { request: () => {}, closed: () => {} },
    });
    return this.#selfSession;
  }

  #context(): ResourceContext {
    return { node_id: this.nodeId, mounts: this.#mounts };
  }

  #notBeforeMs(): number {
    const { clock } = this.#options;
    return Math.max(clock.nowMs(), this.audit.lastTimeMs);
  }

  #dropRevoked(key: string): void {
    const isOwn = key === this.#options.key.publicKey.id;
    // A node this one calls need not be a principal here.
    if (!isOwn && !this.#isOutgoing(key)) this.connector.drop(key, "policy.revoked");
  }

  #info(): NodeInfo {
    const { key, version, registry } = this.#options;
    return {
      node_id: this.nodeId,
      key: key.publicKey.id,
      version,
      protocol: PROTOCOL_VERSION,
      platform: `${process.platform}-${process.arch}`,
      started_at: this.#startedAt,
      endpoint: this.endpoint,
      capabilities: registry.capabilities.map(({ id }) => id),
    };
  }

  async #addPrincipal(principal: NewPrincipal): Promise<string> {
    const { configPath, registry } = this.#options;
    const name = await addPrincipal(configPath, { settings: settingsSchemas(registry) }, principal);
    if (await this.reload()) return name;
    throw new OperonError({
      code: "node.config_not_updated",
      kind: "failed_precondition",
      message:
        "The new principal could not be taken into force, because the configuration file is not valid now",
      hint: "operon config explain on that machine says what is wrong",
    });
  }
}

function shuttingDown(): OperonError {
  return new OperonError({
    code: "node.shutting_down",
    kind: "unavailable",
    message: "The node is shutting down",
    hint: "Try again when it is back",
  });
}

/** For the node's own log: the cause is what matters there. */
function describe(error: unknown): string {
  const cause = error instanceof OperonError ? (error.cause ?? error) : error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
