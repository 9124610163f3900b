// Two ends of a channel in one process: how a node calls itself, and how tests join nodes without sockets.
// It must never deliver within `send`: the other end runs in a later microtask, as over a socket.
// Next: session.ts uses it like any other channel.

import type { ChannelEvents, RecordChannel } from "./channel.ts";

/** Two channels joined back to back. */
export function memoryChannels(): [RecordChannel, RecordChannel] {
  const a = new MemoryChannel();
  const b = new MemoryChannel();
  a.other = b;
  b.other = a;
  return [a, b];
}

class MemoryChannel implements RecordChannel {
  events: ChannelEvents | undefined;
  other: MemoryChannel | undefined;
  readonly bufferedBytes = 0;
  #isClosed = false;

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    const record = new Uint8Array(Buffer.concat(parts));
    queueMicrotask(() => this.other?.receive(record));
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    queueMicrotask(() => this.other?.end(reason));
    this.end(reason);
  }

  receive(record: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.events?.record(record);
    } catch (error) {
      this.close((error as { code?: string }).code ?? "wire.record_invalid");
    }
  }

  end(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.events?.closed(reason);
  }
}
