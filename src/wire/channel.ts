// A channel moves records, whole and in order, between the two ends of a session.
// It must never reorder, merge or split records, and never drop one silently: what cannot be sent closes it.
// Next: sealed.ts encrypts records over WebSockets; local.ts frames them on a Unix socket; session.ts uses either.

/** What a channel tells its owner. */
export interface ChannelEvents {
  /** A record arrived. The bytes belong to the receiver. A throw closes the channel. */
  record(plaintext: Uint8Array): void;
  /** Room again after `bufferedBytes` was above the high-water mark. */
  drain(): void;
  /** The channel is gone; called exactly once, after which nothing else is. */
  closed(reason: string): void;
}

/** An ordered, authenticated carrier of records. */
export interface RecordChannel {
  /** Set by the owner before the next turn of the event loop; events wait for it. */
  events: ChannelEvents | undefined;
  /** Bytes accepted by `send` that the other end has not taken yet. */
  readonly bufferedBytes: number;
  /** Sends one record made of `parts`; the parts may be reused after it returns. Harmless once closed. */
  send(parts: readonly Uint8Array[]): void;
  /** Closes; may be called more than once. The reason is for logs, never for the peer to act on. */
  close(reason: string): void;
}

/** An ordered carrier of binary messages without protection: a WebSocket, or a pair of queues in tests. */
export interface MessagePipe {
  receive: ((message: Uint8Array) => void) | undefined;
  drained: (() => void) | undefined;
  closed: ((reason: string) => void) | undefined;
  readonly bufferedBytes: number;
  /** The message may be reused after it returns. @throws OperonError `wire.send_dropped` when the runtime did not take it */
  send(message: Uint8Array): void;
  close(code: number, reason: string): void;
}
