// A channel that seals every record with the session's keys, over any pipe of binary messages.
// It must never pass on a byte that did not open, nor go on after one that did not.
// Next: record.ts has the cipher; handshake.ts the keys; websocket.ts the pipes.

import { toOperonError } from "../error.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import type { ChannelEvents, MessagePipe, RecordChannel } from "./channel.ts";
import type { SessionKeys } from "./handshake.ts";
import { RecordOpener, RecordSealer } from "./record.ts";

/** WebSocket close code for a peer that broke the protocol (RFC 6455 7.4.1). */
const PROTOCOL_ERROR = 1002;
const NORMAL = 1000;

/** Seals and opens records over a pipe. */
export class SealedChannel implements RecordChannel {
  events: ChannelEvents | undefined;
  readonly #pipe: MessagePipe;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  #isClosed = false;

  constructor(pipe: MessagePipe, keys: Pick<SessionKeys, "sendKey" | "receiveKey">) {
    this.#pipe = pipe;
    this.#sealer = new RecordSealer(keys.sendKey);
    this.#opener = new RecordOpener(keys.receiveKey);
    pipe.receive = (message) => this.#receive(message);
    pipe.drained = () => this.events?.drain();
    pipe.closed = (reason) => this.#end(reason);
  }

  get bufferedBytes(): number {
    return this.#pipe.bufferedBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    try {
      this.#pipe.send(this.#sealer.seal(parts));
    } catch (error) {
      this.close(toOperonError(error).code);
    }
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#pipe.close(reason === "" ? NORMAL : PROTOCOL_ERROR, reason.slice(0, 100));
    this.#end(reason);
  }

  #receive(message: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      if (message.byteLength > RECORD_BYTES_MAX) return this.close("wire.record_too_large");
      this.events?.record(this.#opener.open(message));
    } catch (error) {
      this.close(toOperonError(error).code);
    }
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.events?.closed(reason);
  }
}
