// What an audit entry says. snake_case: these names reach disk.
// It must never hold a secret, file content or command output; commands and paths do appear.
// Next: log.ts appends entries, verify.ts checks them.

import type { Decision } from "../decision.ts";

/** What an entry records. */
export type AuditEvent =
  /** A call was decided, before any effect. */
  | "decided"
  /** A call ended: outcome, duration, bytes. */
  | "finished"
  /** The node started or stopped writing; a torn tail was repaired; policy was loaded or refused. */
  | "started"
  | "stopped"
  | "repaired"
  | "policy_loaded"
  | "policy_refused"
  /** Another node holds a checkpoint of more entries than this log has: an older copy was put back. */
  | "rolled_back"
  /** A peer could not authenticate or broke the protocol, or how many more calls of a key were refused (rate-limited). */
  | "rejected";

/** What a writer hands to the log; the log adds sequence, time and the chain. */
export interface AuditRecord {
  readonly event: AuditEvent;
  /** Ties `finished` to `decided`: 16 hex characters, unique in this log. */
  readonly call?: string;
  /** Key id of the signer, and the local name policy gave it. */
  readonly principal?: string;
  readonly principal_name?: string;
  /** Key id of the relay, when the signer is not the session's other end. */
  readonly via?: string;
  readonly operation?: string;
  readonly resources?: readonly string[];
  /** What was resolved before the decision, e.g. argv and cwd. */
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly decision?: Pick<Decision, "verdict" | "reason" | "rule">;
  /** Proof that the principal asked: SHA-256 of the request bytes, and how to check the signature over its batch (hex). */
  readonly request?: {
    readonly digest: string;
    readonly batch: string;
    readonly time_ms: number;
    readonly count: number;
    readonly index: number;
    readonly root: string;
    readonly path: readonly string[];
    readonly signature: string;
  };
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly run_id?: string;
  readonly step_id?: string;
  /** `finished` only. */
  readonly outcome?: {
    readonly ok: boolean;
    readonly code?: string;
    readonly exit_code?: number;
    readonly duration_ms: number;
    readonly bytes_in?: number;
    readonly bytes_out?: number;
  };
  readonly detail?: string;
  /** Set by the log when texts were too long and have been shortened. */
  readonly cut?: true;
}

/** An entry as it stands in the log. */
export interface AuditEntry extends AuditRecord {
  /** From 0, without gaps. */
  readonly sequence: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  /** SHA-256 of the entry before this one, hex; 64 zeros for the first. */
  readonly prev: string;
}

/** Where a record ended up. */
export interface AuditReceipt {
  readonly sequence: number;
  /** SHA-256 of the entry's line (without the line feed), hex. */
  readonly hash: string;
}

/** Which entries to return; all given conditions must hold. */
export interface AuditFilter {
  readonly limit?: number;
  readonly event?: AuditEvent;
  readonly capability?: string;
  /** Operation id or its last part. */
  readonly action?: string;
  readonly allowed?: boolean;
  /** Substring of a resource. */
  readonly resource?: string;
  /** Principal id or name. */
  readonly principal?: string;
  readonly trace_id?: string;
  readonly since?: string;
  readonly until?: string;
  readonly from_sequence?: number;
}

/** One thing `verify` found wrong. */
export interface AuditProblem {
  readonly kind:
    | "edited"
    | "removed"
    | "reordered"
    | "truncated"
    | "torn"
    | "checkpoint_invalid"
    | "segment_missing"
    | "unreadable"
    | "unproved";
  /** The first entry concerned. */
  readonly sequence: number;
  readonly file?: string;
  readonly line?: number;
  /** A sentence: what was found, and what it means. */
  readonly message: string;
}

/** What `verify` found. */
export interface AuditReport {
  readonly ok: boolean;
  readonly entries: number;
  readonly checkpoints: number;
  /** Decisions whose request is proved to be its principal's; only when that was asked. */
  readonly proved?: number;
  readonly last: AuditReceipt | undefined;
  readonly problems: readonly AuditProblem[];
}
