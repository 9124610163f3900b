// Records over a Unix socket, for callers of the same user: no encryption, the kernel says who is there.
// It must never accept a peer of another user, nor a record longer than the limit.
// Next: session.ts with no peer key; node/ serves the socket, surfaces dial it.

import { systemClock } from "../clock.ts";
import { OperonError, toOperonError } from "../error.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import type { ChannelEvents, RecordChannel } from "./channel.ts";

const HEADER_BYTES = 4;
/** How long a closed channel may take to hand over what was sent before (ms). */
const LINGER_MS = 2_000;

/** What a runtime's stream socket is to a channel. */
export interface ByteSocket {
  /** Hands bytes over without waiting; how many were taken, negative when the socket is gone. */
  write(data: Uint8Array): number;
  /** Ends it after what was written. */
  end(): void;
  /** Ends it at once. */
  terminate(): void;
  /** Reads no more until told to go on. */
  pause(): void;
  resume(): void;
}

/** A Unix socket that carries records: u32 big-endian length, then the record. */
export class LocalChannel implements RecordChannel {
  events: ChannelEvents | undefined;
  readonly #socket: ByteSocket;
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #isClosed = false;
  #isStalled = false;
  #lingering: Disposable | undefined;

  constructor(socket: ByteSocket) {
    this.#socket = socket;
  }

  get bufferedBytes(): number {
    return this.#outgoingBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const record = Buffer.allocUnsafe(HEADER_BYTES + size);
    record.writeUInt32BE(size, 0);
    let offset = HEADER_BYTES;
    for (const part of parts) {
      record.set(part, offset);
      offset += part.byteLength;
    }
    this.#outgoing.push(record);
    this.#outgoingBytes += record.byteLength;
    if (!this.#isStalled) this.pump();
  }

  /** What was sent before is still delivered, as long as the other end takes it within {@link LINGER_MS}. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#ended(reason);
    this.#endWhenSent();
  }

  /** Takes nothing more from the other end, but for what has arrived already. */
  pause(): void {
    if (!this.#isClosed) this.#socket.pause();
  }

  /** Goes on after {@link LocalChannel.pause}. */
  resume(): void {
    if (!this.#isClosed) this.#socket.resume();
  }

  /** Writes what is queued until the kernel is full. */
  pump(): void {
    this.#isStalled = false;
    while (this.#outgoing.length > 0) {
      const next = this.#outgoing[0] as Uint8Array;
      const written = this.#socket.write(next);
      if (written < 0) return this.gone("wire.local_closed");
      this.#outgoingBytes -= written;
      if (written < next.byteLength) {
        this.#outgoing[0] = next.subarray(written);
        this.#isStalled = true;
        return;
      }
      this.#outgoing.shift();
    }
    if (this.#isClosed) this.#endWhenSent();
    else this.events?.drain();
  }

  /** Bytes from the kernel, in any division. */
  received(data: Uint8Array): void {
    if (this.#isClosed) return;
    this.#incoming.push(data);
    this.#incomingBytes += data.byteLength;
    try {
      for (let record = this.#next(); record && !this.#isClosed; record = this.#next())
        this.events?.record(record);
    } catch (error) {
      this.close(toOperonError(error).code);
    }
  }

  /** The socket is gone, and with it whatever was not delivered. */
  gone(reason: string): void {
    this.#lingering?.[Symbol.dispose]();
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#ended(reason);
  }

  #ended(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.events?.closed(reason);
  }

  #endWhenSent(): void {
    if (this.#outgoing.length === 0) {
      this.#lingering?.[Symbol.dispose]();
      this.#socket.end();
      return;
    }
    this.#lingering ??= systemClock.after(LINGER_MS, () => this.#socket.terminate());
  }

  #next(): Uint8Array | undefined {
    if (this.#incomingBytes < HEADER_BYTES) return undefined;
    const first = this.#incoming[0] as Uint8Array;
    const joined = first.byteLength >= HEADER_BYTES ? first : Buffer.concat(this.#incoming);
    if (joined !== first) this.#incoming = [joined];
    const size = new DataView(joined.buffer, joined.byteOffset).getUint32(0);
    if (size > RECORD_BYTES_MAX)
      throw new OperonError({
        code: "wire.record_too_large",
        kind: "internal",
        message: "A local record is too large",
        hint: "Both ends must be the same version of operon; restart the daemon after an update",
      });
    if (this.#incomingBytes < HEADER_BYTES + size) return undefined;
    const whole = joined.byteLength >= HEADER_BYTES + size ? joined : Buffer.concat(this.#incoming);
    const rest = whole.subarray(HEADER_BYTES + size);
    this.#incoming =
      whole === joined && this.#incoming.length > 1 ? [rest, ...this.#incoming.slice(1)] : [rest];
    this.#incomingBytes -= HEADER_BYTES + size;
    return whole.subarray(HEADER_BYTES, HEADER_BYTES + size);
  }
}
