// What a node offers its capabilities. A handler sees only the services its capability names in `needs`.
// It must hold interfaces only: node/ implements them, main.ts introduces them, tests hand in their own.
// Next: capability.ts for how they are asked for; node/services.ts for what stands behind them.

import type { Checkpoint } from "../audit/checkpoint.ts";
import type { AuditEntry, AuditFilter, AuditReport } from "../audit/entry.ts";
import type { Decision } from "../decision.ts";
import type { MountTable } from "../policy/mount.ts";
import type { Secrets } from "../secret/secrets.ts";
import type { TraceDocument, TraceSummary } from "../trace/document.ts";
import type { Caller, CallOptions, OngoingCall } from "./caller.ts";
import type { OperationDescription } from "./description.ts";

/** Every service by name. */
export interface Services {
  readonly mounts: Mounts;
  readonly registry: RegistryView;
  readonly peers: Peers;
  readonly policy: PolicyView;
  readonly audit: AuditView;
  readonly traces: TraceView;
  readonly settings: SettingsView;
  readonly outbound: Outbound;
  readonly state: StateFolders;
  readonly secrets: SecretService;
}

/** Name of a service. */
export type ServiceName = keyof Services;

/** The node's secrets. A capability asks for values only for what policy allowed the caller (`secret.use`). */
export type SecretService = Pick<Secrets, keyof Secrets>;

/** Files below mounts. The only way a capability reaches the disk; containment lives behind it. */
export interface Mounts extends MountTable {
  /**
   * Opens the folder that holds `path`'s last component, or the folder itself for a mount's root.
   * No symlink is ever followed out of the mount; the returned descriptor pins the folder against renames and swaps.
   * @throws OperonError `fs.missing`, `fs.not_a_folder`, `fs.escape`, `fs.read_only` (intent "change"), `fs.path_invalid`, `fs.mount_unknown`.
   */
  parent(path: string, intent: "look" | "change"): MountParent;
  /** Opens a folder for use as a working directory or listing. Errors as {@link parent}. */
  folder(path: string): MountFolder;
}

/** A pinned parent folder and the name inside it; close it with `using`. */
export interface MountParent extends Disposable {
  /** Descriptor of the folder (O_PATH|O_DIRECTORY or readable). */
  readonly fd: number;
  /** Last component; `""` for the mount's own root. Never contains `/`, never `.` or `..`. */
  readonly name: string;
  /** Host path that reaches the object through the pinned descriptor: `/proc/self/fd/N/name`. */
  readonly path: string;
  readonly virtual_path: string;
}

/** A pinned folder; close it with `using`. */
export interface MountFolder extends Disposable {
  readonly fd: number;
  /** `/proc/self/fd/N` */
  readonly path: string;
  /** The real host path at the time it was opened, for a child's cwd. */
  readonly host_path: string;
  readonly virtual_path: string;
}

/** What of a call says whether the node itself makes it (over its local socket, say). */
export interface OwnCall {
  readonly principal: { readonly id: string };
  readonly via: unknown;
}

/** A request to sign. */
export interface RequestToSign extends Pick<CallOptions, "timeout_ms" | "trace"> {
  readonly node: string;
  readonly operation: string;
  readonly input: unknown;
}

/** A request to hand on. */
export interface HandedCall {
  /** Who must have signed it: the principal of the call it came with. */
  readonly principal: { readonly id: string };
  /** What it must ask for. */
  readonly operation: string;
  /** As {@link Outbound.sign} made it. */
  readonly request: string;
}

/** Calls to other nodes. The serving node decides about whoever signed them: this node, or the caller it hands on for. */
export interface Outbound {
  /**
   * A way to call, signed with this node's key, for a call that this node itself made and for no other: in another
   * principal's name it would lend that one this node's authority. `undefined` then. It is not to be disposed of.
   */
  callerFor(call: OwnCall): Caller | undefined;
  /**
   * Signs a request of this node that another node may hand on: once, to the node it is for, within PROTOCOL.md's
   * freshness. `undefined` as {@link callerFor}. @throws OperonError `node.unknown`, `node.unreachable`
   */
  sign(call: OwnCall, request: RequestToSign): Promise<string | undefined>;
  /**
   * Hands a request on to the node it is for; resolves when it is on its way.
   * @throws OperonError `node.not_handed_on`, `node.unreachable`, `wire.*`
   */
  handOn(call: HandedCall, options: CallOptions): Promise<OngoingCall>;
}

/** What the node can do. */
export interface RegistryView {
  /** All operations, in a stable order. */
  describe(): readonly OperationDescription[];
}

/** A node this one knows. */
export interface PeerInfo {
  readonly name: string;
  readonly key: string | undefined;
  readonly endpoint: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: "self" | "connected" | "idle" | "unreachable";
}

/** A node that announces itself on the local network, compared with those known. Nobody vouches for what it says. */
export interface FoundNode {
  readonly name: string;
  readonly key: string;
  /** Its key, short, for people to compare. */
  readonly fingerprint: string;
  readonly endpoint: string;
  /** `conflict`: the name stands for another key here, or several keys claim it. */
  readonly state: "self" | "known" | "new" | "conflict";
  /** What to know about the state; empty when there is nothing. */
  readonly note: string;
  /** `answers`: it proved that it has the key; only when it was asked. */
  readonly health?: "answers" | "other_key" | "unreachable";
}

/** What a look around the local network came to. */
export interface Discovery {
  readonly nodes: readonly FoundNode[];
  /** Announcements that were not in form. */
  readonly malformed: number;
  /** `false` when there was more than is kept. */
  readonly complete: boolean;
}

/** What identifies and describes a running node. */
export interface NodeInfo {
  readonly node_id: string;
  readonly key: string;
  readonly version: string;
  readonly protocol: number;
  readonly platform: string;
  readonly started_at: string;
  readonly endpoint: string | undefined;
  readonly capabilities: readonly string[];
}

/** The nodes around this one. */
export interface Peers {
  info(): NodeInfo;
  list(): readonly PeerInfo[];
  /** @throws OperonError `node.unknown` with the nearest names in its hint */
  resolve(name: string): PeerInfo;
  /** Round trips of one signed call each; throws `node.unreachable` when none succeeds. */
  ping(
    name: string,
    count: number,
    signal: AbortSignal,
  ): Promise<{ round_trips_us: number[]; clock_offset_ms: number; version: string }>;
  /** Makes a one-time code; whoever redeems it in time becomes a principal with these roles. */
  invite(options: {
    roles: readonly string[];
    expires_secs: number;
    name?: string;
    endpoint?: string;
  }): Promise<{ code: string; expires_at: string; fingerprint: string; endpoint: string }>;
  /** Redeems a code: pins the inviter as a known node and lets it pin us. */
  join(
    code: string,
    options: { name?: string; signal: AbortSignal },
  ): Promise<{ node: string; key: string; endpoint: string; roles: readonly string[] }>;
  /** The inviter's half of join: checks the one-time proof and pins the caller. */
  redeem(
    proof: string,
    caller: { key: string; name: string | undefined; endpoint: string | undefined },
  ): Promise<{ node_id: string; roles: readonly string[] }>;
  /** Listens to what nodes on the local network say of themselves. Makes none of them known. */
  discover(options: {
    duration_ms: number;
    check_health: boolean;
    signal: AbortSignal;
  }): Promise<Discovery>;
  /** Drops a known node's pin and closes its session. `configured`: there is no pin, only an entry of the configuration. */
  forget(name: string): Promise<"forgotten" | "configured" | "unknown">;
}

/** The node's policy, for those who may see it. */
export interface PolicyView {
  /** The policy in force as its source shows it, with where each rule stands. */
  show(): unknown;
  /**
   * Decides without doing: what would happen if `principal` called `operation` with `input`. With `resources` it decides
   * about these instead of those the input names; `input` may then be undefined, which leaves its facts unknown.
   */
  explain(question: {
    principal: string;
    operation: string;
    input: unknown;
    resources?: readonly string[];
  }): Promise<Decision>;
  /** What the rules give a principal, an entry for each operation of the node, conditions left aside. */
  authority(principal: string): readonly OperationAuthority[];
  /** Runs a table of expected verdicts (YAML text); against the policy it holds, or the node's own when it holds none. */
  test(
    table: string,
    signal: AbortSignal,
  ): Promise<{ passed: number; failed: number; cases: readonly PolicyCaseResult[] }>;
}

/** What a principal's rules say about one operation; resources as globs, `*` for a rule that names none. */
export interface OperationAuthority {
  readonly operation: string;
  readonly allow: readonly string[];
  readonly ask: readonly string[];
  readonly deny: readonly string[];
}

/** One row of a verdict table. */
export interface PolicyCaseResult {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly actual: string;
  readonly reason: string;
  readonly rule?: string;
}

/** The node's audit log, for those who may read it. */
export interface AuditView {
  query(filter: AuditFilter, signal: AbortSignal): AsyncIterable<AuditEntry>;
  follow(filter: AuditFilter, signal: AbortSignal): AsyncIterable<AuditEntry>;
  /** With `proofs` also checks that the principals signed what is recorded. */
  verify(options: { readonly proofs: boolean; readonly signal: AbortSignal }): Promise<AuditReport>;
  /** Keeps another log's checkpoint; returns the newest one kept before. @throws OperonError `audit.checkpoint_forged` */
  witness(checkpoint: Checkpoint): Checkpoint | undefined;
}

/** Traces kept in the node's home. */
export interface TraceView {
  list(limit: number): Promise<readonly TraceSummary[]>;
  /** @throws OperonError `trace.missing` */
  read(trace: string): Promise<TraceDocument>;
}

/** The capability's own section of the policy configuration, already parsed with its `settings` schema. */
export interface SettingsView {
  of(capability: string): unknown;
}

/** Where a capability keeps what must outlive the node's process. */
export interface StateFolders {
  /** Host path of a private folder (mode 0700) in the node's home, made when it is not there; `name` is the capability's id. */
  folder(name: string): string;
  /** Host paths of everything that is the node's own and nobody else's to read: its home, its configuration. */
  readonly own_paths: readonly string[];
}
