// What a session is about to send: everything queued in one turn becomes one record with one signature over its
// requests and one over its responses. It must never split a message over two records nor wait for a timer.
// Next: session.ts fills it; batch.ts signs; channel.ts carries the records.

import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import { BATCH_REQUESTS_MAX, RECORD_BYTES_MAX, SESSION_BUFFERED_BYTES_MAX } from "../limits.ts";
import { signRequests, signResponses } from "./batch.ts";
import type { RecordChannel } from "./channel.ts";
import { encodeMessage, type Message } from "./message.ts";

/** Target size of one record (bytes): large enough to amortise sealing, small enough to interleave. */
const RECORD_BYTES_TARGET = 512 * 1024;
/** Room for the seal and for message headers. */
const RECORD_BYTES_USABLE = RECORD_BYTES_MAX - 1024;

interface Signable {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** What an outbox is made of. */
export interface OutboxOptions {
  readonly channel: RecordChannel;
  readonly key: KeyPair;
  /** `undefined` on a local socket, where nothing is signed. */
  readonly peer: PublicKey | undefined;
  readonly clock: Clock;
}

/** Collects messages and sends them in records, at the latest in the microtask after: their bytes may be reused then. */
export class Outbox {
  readonly #options: OutboxOptions;
  #messages: (readonly Uint8Array[])[] = [];
  #queuedBytes = 0;
  #requests: Signable[] = [];
  #responses: Signable[] = [];
  #isScheduled = false;
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Bytes not yet handed to the channel. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Queues a message that needs no signature. */
  message(message: Message): void {
    if (this.#isClosed) return;
    this.#push(encodeMessage(message));
    if (this.#queuedBytes >= RECORD_BYTES_TARGET) this.flush();
    else this.#schedule();
  }

  /** Queues a request to be signed. */
  request(id: number, bytes: Uint8Array): void {
    if (!this.#options.peer) {
      throw new OperonError({
        code: "wire.no_peer",
        kind: "internal",
        message: "A local socket signs nothing",
      });
    }
    this.#requests.push({ id, bytes });
    this.#schedule();
  }

  /** Queues a final response to be signed (or sent plainly on a local socket). */
  response(id: number, bytes: Uint8Array): void {
    this.#responses.push({ id, bytes });
    this.#schedule();
  }

  /** Sends everything queued: requests, then stream messages, then responses. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    // A request opens its stream, so it goes before the chunks that were queued for it.
    const streams = this.#messages;
    this.#messages = [];
    while (this.#requests.length > 0) this.#push(this.#signedRequests());
    this.#messages.push(...streams);
    while (this.#responses.length > 0) this.#push(this.#signedResponses());
    this.#send();
    if (this.#options.channel.bufferedBytes > SESSION_BUFFERED_BYTES_MAX)
      this.#options.channel.close("wire.peer_not_reading");
  }

  /** Drops what is queued; nothing is sent from now on. */
  close(): void {
    this.#isClosed = true;
    this.#messages = [];
    this.#requests = [];
    this.#responses = [];
    this.#queuedBytes = 0;
  }

  #push(parts: readonly Uint8Array[]): void {
    this.#messages.push(parts);
    this.#queuedBytes += byteLength(parts);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      if (this.#isScheduled) this.flush();
    });
  }

  #signedRequests(): readonly Uint8Array[] {
    const taken = takeUpTo(this.#requests, RECORD_BYTES_TARGET);
    const batch = signRequests({
      key: this.#options.key,
      addressee: this.#options.peer as PublicKey,
      batchId: crypto.getRandomValues(new Uint8Array(16)),
      timeMs: this.#options.clock.nowMs(),
      requests: taken.map((request) => request.bytes),
    });
    return encodeMessage({ type: "requests", batch, requests: taken.map(toItem) });
  }

  #signedResponses(): readonly Uint8Array[] {
    const taken = takeUpTo(this.#responses, RECORD_BYTES_TARGET);
    if (!this.#options.peer) return encodeMessage({ type: "results", results: taken.map(toItem) });
    const batch = signResponses({
      key: this.#options.key,
      timeMs: this.#options.clock.nowMs(),
      responses: taken.map((response) => response.bytes),
    });
    return encodeMessage({ type: "responses", batch, responses: taken.map(toItem) });
  }

  #send(): void {
    let record: Uint8Array[] = [];
    let size = 0;
    for (const parts of this.#messages) {
      const bytes = byteLength(parts);
      if (size + bytes > RECORD_BYTES_USABLE && size > 0) {
        this.#options.channel.send(record);
        record = [];
        size = 0;
      }
      record.push(...parts);
      size += bytes;
    }
    this.#messages = [];
    this.#queuedBytes = 0;
    if (size > 0) this.#options.channel.send(record);
  }
}

function toItem({ id, bytes }: Signable): { stream_id: number; bytes: Uint8Array } {
  return { stream_id: id, bytes };
}

function byteLength(parts: readonly Uint8Array[]): number {
  let size = 0;
  for (const part of parts) size += part.byteLength;
  return size;
}

function takeUpTo(queue: Signable[], bytesMax: number): Signable[] {
  let size = 0;
  let count = 0;
  while (count < queue.length && count < BATCH_REQUESTS_MAX) {
    size += (queue[count] as Signable).bytes.byteLength;
    if (count > 0 && size > bytesMax) break;
    count++;
  }
  return queue.splice(0, count);
}
