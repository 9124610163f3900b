// The signed bodies: a request and its final response (PROTOCOL.md#envelopes). Checked by hand: this is the hot path.
// It must never pass on a field it does not know, nor one of the wrong type.
// Next: codec.ts for the encoding; node/invoke.ts parses `input` with the operation's schema.

import type { Decision } from "../decision.ts";
import { ERROR_KINDS, type ErrorDocument, OperonError } from "../error.ts";
import { CALL_TIMEOUT_MAX_MS } from "../limits.ts";
import { decode, encode } from "./codec.ts";

/** Where a call belongs in a trace (W3C trace context). */
export interface EnvelopeTrace {
  readonly trace_id: string;
  readonly parent_span_id?: string;
  readonly run_id?: string;
  readonly step_id?: string;
}

/** What a request says. */
export interface RequestBody {
  readonly operation: string;
  readonly input: unknown;
  readonly timeout_ms?: number;
  readonly trace?: EnvelopeTrace;
  readonly grants?: readonly Uint8Array[];
}

/** How the node treated the call. */
export interface EnvelopeReceipt {
  readonly decision: Pick<Decision, "verdict" | "reason" | "rule">;
  readonly audit?: { readonly sequence: number; readonly hash: string };
}

/** What a final response says. `request` is the leaf hash of the request's bytes. */
export type ResponseBody =
  | {
      readonly request: Uint8Array;
      readonly ok: true;
      readonly output: unknown;
      readonly receipt?: EnvelopeReceipt;
    }
  | {
      readonly request: Uint8Array;
      readonly ok: false;
      readonly error: ErrorDocument;
      readonly receipt?: EnvelopeReceipt;
    };

const OPERATION = /^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,31}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const HEX_HASH = /^[0-9a-f]{64}$/;
const GRANTS_MAX = 16;
const TEXT_MAX = 4096;

/** @throws OperonError `wire.value_invalid` */
export function encodeRequest(body: RequestBody): Uint8Array {
  return encode(body);
}

/** @throws OperonError `wire.encoding_invalid`, `wire.envelope_invalid` */
export function decodeRequest(bytes: Uint8Array): RequestBody {
  const body = record(decode(bytes), ["operation", "input", "timeout_ms", "trace", "grants"]);
  if (typeof body.operation !== "string" || !OPERATION.test(body.operation))
    throw invalid("operation");
  if (!("input" in body)) throw invalid("input");
  if (body.timeout_ms !== undefined) integer(body.timeout_ms, "timeout_ms", CALL_TIMEOUT_MAX_MS);
  if (body.trace !== undefined) checkTrace(body.trace);
  if (body.grants !== undefined) checkGrants(body.grants);
  return body as unknown as RequestBody;
}

/** Cuts an error's texts to what a peer accepts. @throws OperonError `wire.value_invalid` */
export function encodeResponse(body: ResponseBody): Uint8Array {
  if (body.ok) return encode(body);
  const { message, hint } = body.error;
  const error = { ...body.error, message: cut(message), ...(hint ? { hint: cut(hint) } : {}) };
  return encode({ ...body, error });
}

function cut(value: string): string {
  return (value.length <= TEXT_MAX ? value : value.slice(0, TEXT_MAX)).toWellFormed();
}

/** @throws OperonError `wire.encoding_invalid`, `wire.envelope_invalid` */
export function decodeResponse(bytes: Uint8Array): ResponseBody {
  const body = record(decode(bytes), ["request", "ok", "output", "error", "receipt"]);
  if (!(body.request instanceof Uint8Array) || body.request.byteLength !== 32)
    throw invalid("request");
  if (body.receipt !== undefined) checkReceipt(body.receipt);
  if (body.ok === true && !("error" in body)) return body as unknown as ResponseBody;
  if (body.ok !== false || "output" in body) throw invalid("ok");
  checkError(body.error);
  return body as unknown as ResponseBody;
}

function checkTrace(value: unknown): void {
  const trace = record(value, ["trace_id", "parent_span_id", "run_id", "step_id"]);
  text(trace.trace_id, "trace.trace_id", TRACE_ID);
  if (trace.parent_span_id !== undefined)
    text(trace.parent_span_id, "trace.parent_span_id", SPAN_ID);
  if (trace.run_id !== undefined) text(trace.run_id, "trace.run_id", NAME);
  if (trace.step_id !== undefined) text(trace.step_id, "trace.step_id", NAME);
}

function checkGrants(value: unknown): void {
  if (!Array.isArray(value) || value.length > GRANTS_MAX) throw invalid("grants");
  for (const grant of value) if (!(grant instanceof Uint8Array)) throw invalid("grants");
}

function checkError(value: unknown): void {
  const error = record(value, ["code", "kind", "message", "hint", "data"]);
  boundedText(error.code, "error.code", 128);
  if (typeof error.kind !== "string" || !(ERROR_KINDS as readonly string[]).includes(error.kind))
    throw invalid("error.kind");
  boundedText(error.message, "error.message", TEXT_MAX);
  if (error.hint !== undefined) boundedText(error.hint, "error.hint", TEXT_MAX);
  if (error.data !== undefined) record(error.data);
}

function checkReceipt(value: unknown): void {
  const receipt = record(value, ["decision", "audit"]);
  const decision = record(receipt.decision, ["verdict", "reason", "rule"]);
  if (!["allow", "ask", "deny"].includes(decision.verdict as string))
    throw invalid("receipt.decision.verdict");
  boundedText(decision.reason, "receipt.decision.reason", 128);
  if (decision.rule !== undefined) {
    const rule = record(decision.rule, ["role", "index", "file", "line"]);
    boundedText(rule.role, "receipt.decision.rule.role", 128);
    integer(rule.index, "receipt.decision.rule.index", Number.MAX_SAFE_INTEGER);
    if (rule.file !== undefined) boundedText(rule.file, "receipt.decision.rule.file", TEXT_MAX);
    if (rule.line !== undefined)
      integer(rule.line, "receipt.decision.rule.line", Number.MAX_SAFE_INTEGER);
  }
  if (receipt.audit === undefined) return;
  const audit = record(receipt.audit, ["sequence", "hash"]);
  integer(audit.sequence, "receipt.audit.sequence", Number.MAX_SAFE_INTEGER);
  text(audit.hash, "receipt.audit.hash", HEX_HASH);
}

function record(value: unknown, known?: readonly string[]): Record<string, unknown> {
  if (
    typeof value !== "object" ||
    value === null ||
    Array.isArray(value) ||
    value instanceof Uint8Array
  )
    throw invalid("structure");
  if (known)
    for (const key of Object.keys(value))
      if (!known.includes(key)) throw invalid(`field ${key.slice(0, 32)}`);
  return value as Record<string, unknown>;
}

function integer(value: unknown, field: string, most: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most)
    throw invalid(field);
}

function text(value: unknown, field: string, pattern: RegExp): void {
  if (typeof value !== "string" || !pattern.test(value)) throw invalid(field);
}

function boundedText(value: unknown, field: string, most: number): void {
  if (typeof value !== "string" || value.length > most) throw invalid(field);
}

function invalid(field: string): OperonError {
  return new OperonError({
    code: "wire.envelope_invalid",
    kind: "invalid_argument",
    message: `A signed message is not valid at ${field}`,
    hint: "PROTOCOL.md describes the envelopes; compare versions with operon node info",
  });
}
