// What it means to call a node, the same for CLI, REPL, SDK, workflows and one node calling another.
// It must never offer a way around the serving node's policy: every call it makes is a signed request.
// Next: node/ and the local-socket client implement it; sdk.ts puts types on top.

import type { Decision } from "../decision.ts";
import type { OperonError } from "../error.ts";

/** W3C trace context of a call: 16- and 8-byte ids in lower-case hex. */
export interface TraceContext {
  readonly trace_id: string;
  readonly parent_span_id?: string;
  /** Which step of which workflow run makes the call; noted in the serving node's audit. */
  readonly run_id?: string;
  readonly step_id?: string;
}

/** How a call is made. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Deadline, from now (ms). */
  readonly timeout_ms?: number;
  readonly trace?: TraceContext;
  /**
   * The caller's stream: `Uint8Array`s for a bytes shape, values for a values shape. Pulled as credit allows.
   * Bytes are the source's own again when it is asked for the next.
   */
  readonly outgoing?: AsyncIterable<unknown>;
}

/** One chunk from the serving node: bytes on a channel (0 when the shape has none), or one value. */
export type Chunk =
  | { readonly kind: "bytes"; readonly channel: number; readonly bytes: Uint8Array }
  | { readonly kind: "value"; readonly value: unknown };

/** What the serving node says about how it treated the call. */
export interface CallReceipt {
  /** Key id of the node that served it. */
  readonly node: string;
  readonly decision: Pick<Decision, "verdict" | "reason" | "rule">;
  /** Position and hash of the `decided` entry in its audit chain, when it was written before the answer. */
  readonly audit?: { readonly sequence: number; readonly hash: string };
}

/** A call under way. Whoever starts one reads `chunks` to the end, awaits `output`, or cancels. */
export interface OngoingCall {
  /** The serving node's stream, in order; ends when it has ended it, throws when the call fails. Iterate at most once. */
  readonly chunks: AsyncIterable<Chunk>;
  /**
   * The final output. Rejects with the OperonError of the call. Reading chunks is not required: unread ones are
   * discarded once `output` is awaited without iterating `chunks`.
   */
  readonly output: Promise<unknown>;
  /** Arrives with the final response, also of a refused call; `undefined` when the node never answered. */
  readonly receipt: Promise<CallReceipt | undefined>;
  /** Tells the node to stop; harmless after the end. */
  cancel(reason?: OperonError): void;
}

/** Makes calls to nodes by name; `""` or `local` name the own node. */
export interface Caller extends AsyncDisposable {
  call(node: string, operation: string, input: unknown, options?: CallOptions): OngoingCall;
}
