// A trace: what one run did, step by step, on which nodes, as whom, and how it was decided. snake_case: reaches disk.
// It must never hold more than bounded excerpts of data, and no secret.
// Next: store.ts keeps traces in the home; the workflow runner writes them.

import type { Decision } from "../decision.ts";
import type { ErrorDocument } from "../error.ts";

/** One timed piece of a trace. */
export interface Span {
  readonly span_id: string;
  readonly parent_span_id?: string;
  /** Step id for a step, the workflow's name for the root. */
  readonly name: string;
  /** Node the call went to. */
  readonly node?: string;
  /** Key id of the node that answered. */
  readonly node_key?: string;
  readonly operation?: string;
  readonly start: string;
  readonly duration_ms: number;
  readonly status: "ok" | "error" | "skipped";
  /** Input as sent, long texts cut. */
  readonly input?: unknown;
  readonly output?: unknown;
  /** Last bytes of each stream, as text where it is UTF-8. */
  readonly logs?: Readonly<Record<string, LogTail>>;
  readonly decision?: Pick<Decision, "verdict" | "reason" | "rule">;
  /** Position and hash of the `decided` entry in the serving node's audit chain. */
  readonly audit?: { readonly sequence: number; readonly hash: string };
  readonly error?: ErrorDocument;
}

/** The end of a stream. */
export interface LogTail {
  readonly encoding: "utf8" | "base64";
  readonly tail: string;
  /** Bytes the whole stream had. */
  readonly bytes: number;
  readonly truncated: boolean;
}

/** A trace file. */
export interface TraceDocument {
  readonly version: 1;
  readonly trace_id: string;
  readonly run_id: string;
  readonly name: string;
  readonly status: "ok" | "error";
  readonly start: string;
  readonly duration_ms: number;
  readonly spans: readonly Span[];
}

/** A line of `trace list`. */
export interface TraceSummary {
  readonly trace_id: string;
  readonly name: string;
  readonly status: "ok" | "error";
  readonly start: string;
  readonly duration_ms: number;
  readonly steps: number;
}
