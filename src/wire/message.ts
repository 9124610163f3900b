// The messages a record holds, by hand: u32 length, u8 type, body (PROTOCOL.md#messages).
// It must never copy a payload nor believe a length it has not checked.
// Next: session.ts acts on them; batch.ts for the signed ones.

import { OperonError } from "../error.ts";
import { BATCH_REQUESTS_MAX, CHUNK_BYTES, CHUNK_BYTES_MAX, ENVELOPE_BYTES_MAX } from "../limits.ts";
import type { RequestBatch, ResponseBatch } from "./batch.ts";

/** A request or response in a batch, with the stream it opens or ends. */
export interface BatchItem {
  readonly stream_id: number;
  readonly bytes: Uint8Array;
}

/** Every message of the protocol. */
export type Message =
  | {
      readonly type: "hello";
      readonly protocol: number;
      readonly time_ms: number;
      readonly software: string;
    }
  | {
      readonly type: "requests";
      readonly batch: RequestBatch;
      readonly requests: readonly BatchItem[];
    }
  | {
      readonly type: "responses";
      readonly batch: ResponseBatch;
      readonly responses: readonly BatchItem[];
    }
  | {
      readonly type: "chunk";
      readonly stream_id: number;
      readonly end: boolean;
      readonly values: boolean;
      readonly channel: number;
      /** Payload bytes sent before this chunk in this direction. */
      readonly position: number;
      readonly payload: Uint8Array;
    }
  | { readonly type: "credit"; readonly stream_id: number; readonly bytes: number }
  | { readonly type: "cancel"; readonly stream_id: number; readonly reason: number }
  | { readonly type: "ping" | "pong"; readonly token: bigint }
  | { readonly type: "goaway"; readonly reason: number; readonly message: string }
  | {
      readonly type: "call";
      readonly stream_id: number;
      readonly node: string;
      readonly bytes: Uint8Array;
    }
  | {
      readonly type: "relay";
      readonly node: string;
      readonly batch: RequestBatch;
      readonly requests: readonly BatchItem[];
    }
  | { readonly type: "results"; readonly results: readonly BatchItem[] };

const TYPE = {
  hello: 0x01,
  requests: 0x10,
  responses: 0x11,
  call: 0x18,
  relay: 0x19,
  results: 0x1a,
  chunk: 0x20,
  credit: 0x21,
  cancel: 0x22,
  ping: 0x30,
  pong: 0x31,
  goaway: 0x32,
} as const;

const LOCAL_TYPES: ReadonlySet<number> = new Set([TYPE.call, TYPE.relay, TYPE.results]);
/** Longest name of a node in a local message (bytes, UTF-8). */
export const NAME_BYTES_MAX = 255;
const TEXT_BYTES_MAX = 512;
const END = 1;
const VALUES = 2;
const text = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of a message in parts; a chunk's payload is one of them, not copied. */
export function encodeMessage(message: Message): Uint8Array[] {
  const body = encodeBody(message);
  const size = body.reduce((sum, part) => sum + part.byteLength, 0);
  const head = Buffer.allocUnsafe(5);
  head.writeUInt32BE(size + 1, 0);
  head[4] = TYPE[message.type];
  return [head, ...body];
}

function encodeBody(message: Message): Uint8Array[] {
  switch (message.type) {
    case "hello": {
      const fixed = Buffer.allocUnsafe(10);
      fixed.writeUInt16BE(message.protocol, 0);
      fixed.writeBigUInt64BE(BigInt(message.time_ms), 2);
      return [fixed, encodeText(message.software)];
    }
    case "requests":
      return [encodeRequestBatch(message.batch), ...message.requests.flatMap(encodeItem)];
    case "responses":
      return [encodeResponseBatch(message.batch), ...message.responses.flatMap(encodeItem)];
    case "results":
      return message.results.flatMap(encodeItem);
    case "call":
      return [u32(message.stream_id), ...encodeName(message.node), message.bytes];
    case "relay":
      return [
        ...encodeName(message.node),
        encodeRequestBatch(message.batch),
        ...message.requests.flatMap(encodeItem),
      ];
    case "chunk": {
      const fixed = Buffer.allocUnsafe(14);
      fixed.writeUInt32BE(message.stream_id, 0);
      fixed[4] = (message.end ? END : 0) | (message.values ? VALUES : 0);
      fixed[5] = message.channel;
      fixed.writeUInt32BE(Math.floor(message.position / 2 ** 32), 6);
      fixed.writeUInt32BE(message.position >>> 0, 10);
      return [fixed, message.payload];
    }
    case "credit":
      return [u32(message.stream_id), u32(message.bytes)];
    case "cancel":
      return [u32(message.stream_id), Uint8Array.of(message.reason)];
    case "ping":
    case "pong": {
      const token = Buffer.allocUnsafe(8);
      token.writeBigUInt64BE(message.token);
      return [token];
    }
    case "goaway":
      return [Uint8Array.of(message.reason), encodeText(message.message)];
  }
}

/**
 * The messages of a record; payloads are views into it.
 * @param options.local whether the messages of local sockets are allowed
 * @throws OperonError `wire.message_invalid`
 */
export function decodeMessages(
  plaintext: Uint8Array,
  options: { readonly local?: boolean } = {},
): Message[] {
  const record = new Reader(plaintext);
  const messages: Message[] = [];
  while (record.remaining > 0) {
    const size = record.u32();
    if (size === 0) throw messageInvalid("an empty message");
    const body = new Reader(record.bytes(size));
    const type = body.u8();
    if (LOCAL_TYPES.has(type) && !options.local)
      throw messageInvalid("a message that belongs on local sockets");
    const message = decodeBody(type, body);
    if (body.remaining > 0) throw messageInvalid("bytes after a message");
    messages.push(message);
  }
  if (messages.length === 0) throw messageInvalid("an empty record");
  return messages;
}

function decodeBody(type: number, body: Reader): Message {
  switch (type) {
    case TYPE.hello:
      return { type: "hello", protocol: body.u16(), time_ms: body.u64(), software: body.text() };
    case TYPE.requests: {
      const batch = decodeRequestBatch(body);
      return { type: "requests", batch, requests: decodeItems(body, batch.count) };
    }
    case TYPE.responses: {
      const batch = decodeResponseBatch(body);
      return { type: "responses", batch, responses: decodeItems(body, batch.count) };
    }
    case TYPE.results: {
      const results: BatchItem[] = [];
      while (body.remaining > 0) results.push(decodeItem(body));
      return { type: "results", results };
    }
    case TYPE.call:
      return {
        type: "call",
        stream_id: body.u32(),
        node: body.name(),
        bytes: body.envelope(body.remaining),
      };
    case TYPE.relay: {
      const node = body.name();
      const batch = decodeRequestBatch(body);
      return { type: "relay", node, batch, requests: decodeItems(body, batch.count) };
    }
    case TYPE.chunk: {
      const stream_id = body.u32();
      const flags = body.u8();
      if ((flags & ~(END | VALUES)) !== 0) throw messageInvalid("an unknown flag");
      const channel = body.u8();
      const position = body.u64();
      // A relay must be able to pass a chunk on within a stream's first credit.
      if (body.remaining > ((flags & VALUES) === 0 ? CHUNK_BYTES_MAX : CHUNK_BYTES))
        throw messageInvalid("a chunk that is too large");
      const payload = body.bytes(body.remaining);
      return {
        type: "chunk",
        stream_id,
        end: (flags & END) !== 0,
        values: (flags & VALUES) !== 0,
        channel,
        position,
        payload,
      };
    }
    case TYPE.credit:
      return { type: "credit", stream_id: body.u32(), bytes: body.u32() };
    case TYPE.cancel:
      return { type: "cancel", stream_id: body.u32(), reason: body.u8() };
    case TYPE.ping:
      return { type: "ping", token: body.token() };
    case TYPE.pong:
      return { type: "pong", token: body.token() };
    case TYPE.goaway:
      return { type: "goaway", reason: body.u8(), message: body.text() };
    default:
      throw messageInvalid("an unknown type");
  }
}

function encodeRequestBatch(batch: RequestBatch): Uint8Array {
  const time = Buffer.allocUnsafe(10);
  time.writeBigUInt64BE(BigInt(batch.time_ms), 0);
  time.writeUInt16BE(batch.count, 8);
  return Buffer.concat([batch.signer, batch.addressee, batch.batch_id, time, batch.signature]);
}

function decodeRequestBatch(body: Reader): RequestBatch {
  const signer = body.bytes(32);
  const addressee = body.bytes(32);
  const batch_id = body.bytes(16);
  return {
    signer,
    addressee,
    batch_id,
    time_ms: body.u64(),
    count: body.count(),
    signature: body.bytes(64),
  };
}

function encodeResponseBatch(batch: ResponseBatch): Uint8Array {
  const time = Buffer.allocUnsafe(10);
  time.writeBigUInt64BE(BigInt(batch.time_ms), 0);
  time.writeUInt16BE(batch.count, 8);
  return Buffer.concat([batch.signer, time, batch.signature]);
}

function decodeResponseBatch(body: Reader): ResponseBatch {
  return {
    signer: body.bytes(32),
    time_ms: body.u64(),
    count: body.count(),
    signature: body.bytes(64),
  };
}

function encodeItem({ stream_id, bytes }: BatchItem): Uint8Array[] {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt32BE(stream_id, 0);
  head.writeUInt32BE(bytes.byteLength, 4);
  return [head, bytes];
}

function decodeItems(body: Reader, count: number): BatchItem[] {
  return Array.from({ length: count }, () => decodeItem(body));
}

function decodeItem(body: Reader): BatchItem {
  const stream_id = body.u32();
  return { stream_id, bytes: body.envelope(body.u32()) };
}

/** A text for people, cut where it is too long, but never within a character. */
function encodeText(value: string): Uint8Array {
  const bytes = new Uint8Array(TEXT_BYTES_MAX);
  return bytes.subarray(0, text.encodeInto(value, bytes).written);
}

function encodeName(name: string): Uint8Array[] {
  const bytes = text.encode(name);
  if (bytes.byteLength > NAME_BYTES_MAX) throw messageInvalid("a name that is too long");
  return [Uint8Array.of(bytes.byteLength), bytes];
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads fields in order, refusing to go past the end. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  bytes(count: number): Uint8Array {
    const start = this.#take(count);
    return this.#bytes.subarray(start, start + count);
  }

  envelope(count: number): Uint8Array {
    if (count > ENVELOPE_BYTES_MAX || count === 0)
      throw messageInvalid("an envelope of the wrong size");
    return this.bytes(count);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const start = this.#take(8);
    const value = this.#view.getUint32(start) * 2 ** 32 + this.#view.getUint32(start + 4);
    if (!Number.isSafeInteger(value)) throw messageInvalid("a number beyond 2^53");
    return value;
  }

  token(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  count(): number {
    const count = this.u16();
    if (count === 0 || count > BATCH_REQUESTS_MAX)
      throw messageInvalid("a batch of the wrong size");
    return count;
  }

  name(): string {
    return this.#decode(this.bytes(this.u8()));
  }

  text(): string {
    if (this.remaining > TEXT_BYTES_MAX) throw messageInvalid("a text that is too long");
    return this.#decode(this.bytes(this.remaining));
  }

  #decode(bytes: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw messageInvalid("a text that is not UTF-8");
    }
  }

  #take(count: number): number {
    const start = this.#offset;
    if (count > this.remaining) throw messageInvalid("a length past the end");
    this.#offset += count;
    return start;
  }
}

function messageInvalid(what: string): OperonError {
  return new OperonError({
    code: "wire.message_invalid",
    kind: "data_loss",
    message: `The peer broke the protocol: it sent ${what}`,
    hint: "Compare versions with operon node info",
  });
}
