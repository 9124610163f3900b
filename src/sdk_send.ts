// What a caller of the SDK may send, as chunks.
// It must never hold more of a source than the call takes.
// Next: sdk_peer.ts and sdk_command.ts use it.

import { OperonError } from "./error.ts";

/** Whatever may be sent, as chunks. @throws OperonError `sdk.send_invalid` */
export async function* toIterable(source: unknown): AsyncGenerator<unknown, undefined> {
  if (typeof source === "string") yield new TextEncoder().encode(source);
  else if (source instanceof Uint8Array) yield source;
  else if (isIterable(source)) yield* source;
  else
    throw new OperonError({
      code: "sdk.send_invalid",
      kind: "invalid_argument",
      message: "`send` takes bytes, a text, an iterable or a web stream",
    });
  return undefined;
}

function isIterable(source: unknown): source is AsyncIterable<unknown> {
  return (
    typeof source === "object" &&
    source !== null &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  );
}
