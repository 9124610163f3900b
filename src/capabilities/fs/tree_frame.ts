// A tree's events as bytes: frames of a type, a length and a payload, joined into large chunks.
// It must never trust a length or a field it reads: the other end may be anybody.
// Next: tree_event.ts for what they mean, tree_transfer.ts sends and receives them.
//
//   frame    type (1 byte)  length (4 bytes, big-endian)  payload
//   E        an entry or a skipped one: JSON, at most 64 KiB
//   D        the next bytes of the file
//   H        the end of the file: JSON {sha256, size_bytes}
//   F        the end of the folder: empty

import { z } from "zod";
import { CHUNK_BYTES_MAX } from "../../limits.ts";
import type { Failing } from "./failure.ts";
import { SKIP_REASONS, type TreeEvent } from "./tree_event.ts";

const HEADER_BYTES = 5;
const TEXT_BYTES_MAX = 64 * 1024;
/** Data up to this size (bytes) is copied into the chunk under way; larger data goes as a chunk of its own. */
const JOINED_BYTES_MAX = 64 * 1024;

const ENTRY = 0x45;
const DATA = 0x44;
const FILE_END = 0x48;
const FOLDER_END = 0x46;

/** Frames of all events, in chunks of up to 256 KiB; what is there goes out when the source pauses. */
export async function* encodeTree(
  events: AsyncIterable<TreeEvent>,
): AsyncGenerator<Uint8Array, undefined> {
  let chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
  let used = 0;
  const take = () => {
    const full = chunk.subarray(0, used);
    chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
    used = 0;
    return full;
  };
  for await (const event of events) {
    const [type, payload] = frameOf(event);
    const isJoined = payload.byteLength <= JOINED_BYTES_MAX;
    const needed = HEADER_BYTES + (isJoined ? payload.byteLength : 0);
    if (used + needed > CHUNK_BYTES_MAX) yield take();
    chunk[used] = type;
    chunk.writeUInt32BE(payload.byteLength, used + 1);
    used += HEADER_BYTES;
    if (isJoined) {
      chunk.set(payload, used);
      used += payload.byteLength;
      continue;
    }
    yield take();
    yield payload;
  }
  if (used > 0) yield take();
  return undefined;
}

/** Turns chunks back into events; `data` comes in pieces as they arrive. */
export class TreeDecoder {
  readonly #call: Failing;
  #pending: Buffer = Buffer.alloc(0);
  /** What is left of a data frame under way (bytes). */
  #data = 0;

  constructor(call: Failing) {
    this.#call = call;
  }

  /** The events that `chunk` completes. Data in them lies in `chunk` itself. @throws `fs.stream_invalid` */
  *push(chunk: Uint8Array): Generator<TreeEvent, undefined> {
    const joined = this.#pending.byteLength > 0;
    const bytes = joined
      ? Buffer.concat([this.#pending, chunk])
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#data > 0) {
        const piece = bytes.subarray(at, at + this.#data);
        at += piece.byteLength;
        this.#data -= piece.byteLength;
        yield { kind: "data", bytes: piece };
        continue;
      }
      if (at + HEADER_BYTES > bytes.byteLength) break;
      const type = bytes[at]!;
      const length = bytes.readUInt32BE(at + 1);
      if (type === DATA) {
        at += HEADER_BYTES;
        this.#data = length;
        continue;
      }
      if (length > TEXT_BYTES_MAX) throw this.#invalid("a frame is too long");
      const end = at + HEADER_BYTES + length;
      if (end > bytes.byteLength) break;
      const event = this.#event(type, bytes.subarray(at + HEADER_BYTES, end));
      at = end;
      yield event;
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    return undefined;
  }

  /** Call when no chunk follows. @throws `fs.stream_invalid` when a frame is incomplete */
  end(): void {
    if (this.#pending.byteLength > 0 || this.#data > 0) throw this.#invalid("it breaks off");
  }

  #event(type: number, payload: Buffer): TreeEvent {
    if (type === FOLDER_END && payload.byteLength === 0) return { kind: "folder_end" };
    const schema = type === ENTRY ? EntryText : type === FILE_END ? FileEndText : undefined;
    const value = schema?.safeParse(parseJson(payload));
    if (!value?.success) throw this.#invalid("a frame is malformed");
    return value.data;
  }

  #invalid(why: string): Error {
    return this.#call.fail("stream_invalid", { why });
  }
}

const NOTHING = Buffer.alloc(0);

function frameOf(event: TreeEvent): readonly [type: number, payload: Uint8Array] {
  if (event.kind === "data") return [DATA, event.bytes];
  if (event.kind === "folder_end") return [FOLDER_END, NOTHING];
  const text = JSON.stringify(event, (_name, value) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return [event.kind === "file_end" ? FILE_END : ENTRY, Buffer.from(text)];
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

const Below = z.string().max(16_384);
const Bytes = z.int().min(0);
const ModeBits = z.int().min(0).max(0o777);
/** Nanoseconds in the range of a 64-bit count: the years 1678 to 2262. */
const Nanoseconds = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .transform((text) => BigInt(text))
  .refine((count) => BigInt.asIntN(64, count) === count);

const EntryText = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("folder"),
    below: Below,
    mode: ModeBits,
    modified_ns: Nanoseconds,
  }),
  z.strictObject({
    kind: z.literal("file"),
    below: Below,
    mode: ModeBits,
    modified_ns: Nanoseconds,
    size_bytes: Bytes,
    offset_bytes: Bytes,
    kept: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal("link"),
    below: Below,
    target: z.string().max(4096),
    modified_ns: Nanoseconds,
  }),
  z.strictObject({ kind: z.literal("skipped"), below: Below, reason: z.enum(SKIP_REASONS) }),
]);

const FileEndText = z
  .strictObject({
    kind: z.literal("file_end"),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    size_bytes: Bytes,
  })
  .transform(({ kind, sha256, size_bytes }) => ({ kind, sha256, size_bytes }));
