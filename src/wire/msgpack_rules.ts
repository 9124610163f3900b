// What both ends of the encoding agree on beyond MessagePack itself (PROTOCOL.md#encoding).
// It must never be laxer for writing than for reading.
// Next: msgpack_writer.ts, codec.ts.

import { OperonError } from "../error.ts";

/** Longest key of a map (bytes, UTF-8). */
export const KEY_BYTES_MAX = 256;

/** Keys that reach a prototype. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set([
  "__proto__",
  "constructor",
  "prototype",
]);

/** A value of ours that no strict peer would accept. */
export function valueInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.value_invalid",
    kind: "invalid_argument",
    message: `A value cannot be sent: ${what}`,
    hint: "Send JSON-like values and bytes",
  });
}
