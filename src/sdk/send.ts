// What a caller of the SDK may send, as the chunks a call takes.
// It must never hold more of a source than the call takes.
// Next: peer.ts and command.ts use it.

import type { StreamDescription } from "../contract/description.ts";
import { OperonError } from "../error.ts";

/**
 * A source as chunks; texts become UTF-8 where bytes are taken.
 * @param takes what the operation receives
 * @throws OperonError `sdk.send_invalid`, at once or from the iterable
 */
export function toChunks(
  source: unknown,
  takes: StreamDescription | undefined,
): AsyncGenerator<unknown, undefined> {
  if (!takes) throw invalid("This operation takes no stream");
  if (takes.kind === "bytes") return toBytes(source);
  if (isIterable(source) && typeof source !== "string") return each(source);
  throw invalid("`send` takes an iterable or a web stream of values here");
}

async function* toBytes(source: unknown): AsyncGenerator<Uint8Array, undefined> {
  if (typeof source === "string" || source instanceof Uint8Array) yield asBytes(source);
  else if (isIterable(source)) for await (const part of source) yield asBytes(part);
  else throw invalid("`send` takes bytes, a text, an iterable of them or a web stream");
  return undefined;
}

async function* each(source: AsyncIterable<unknown>): AsyncGenerator<unknown, undefined> {
  yield* source;
  return undefined;
}

function asBytes(part: unknown): Uint8Array {
  if (part instanceof Uint8Array) return part;
  if (typeof part === "string") return new TextEncoder().encode(part);
  throw invalid("A stream of bytes takes Uint8Arrays and texts");
}

function isIterable(source: unknown): source is AsyncIterable<unknown> {
  return (
    typeof source === "object" &&
    source !== null &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  );
}

function invalid(message: string): OperonError {
  return new OperonError({
    code: "sdk.send_invalid",
    kind: "invalid_argument",
    message,
    hint: "The operation's help says what it takes: operon help",
  });
}
