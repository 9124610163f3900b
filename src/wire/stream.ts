// The two halves of a call's stream: a receiving half that grants credit as it is read, a sending half that waits for it.
// It must never hold more unread bytes than it granted, nor send more than it was granted.
// Next: session.ts routes chunks and credit here; PROTOCOL.md#streams has the rules.

import { OperonError } from "../error.ts";
import { CHUNK_BYTES, CHUNK_BYTES_MAX, CREDIT_BYTES_INITIAL } from "../limits.ts";

/** Credit each chunk costs besides its payload (bytes), so that many tiny chunks are bounded too. */
export const CHUNK_COST_BYTES = 32;
/** Credit a peer may leave unused (bytes); more is a mistake or an attempt to overflow the count. */
const CREDIT_BYTES_UNUSED_MAX = 2 ** 32 - 1;

/** One chunk as it stands on the wire. */
export interface WireChunk {
  readonly channel: number;
  /** Whether `payload` is a msgpack array of values rather than raw bytes. */
  readonly values: boolean;
  readonly payload: Uint8Array;
}

/** Where a chunk stands in its direction of the stream. */
export interface ChunkPlace {
  /** Nothing comes after it. */
  readonly end: boolean;
  /** Payload bytes before it. */
  readonly position: number;
}

/** What a stream needs from its session. */
export interface StreamPort {
  sendChunk(id: number, chunk: WireChunk & ChunkPlace): void;
  sendCredit(id: number, bytes: number): void;
  /**
   * `undefined` when a chunk may be sent now; else resolves when to ask again: the channel has drained, or other work
   * has had its turn.
   */
  ready(): Promise<void> | undefined;
  /** Whether other calls are live, so that chunks stay small. */
  readonly busy: boolean;
  /** Unread bytes a stream that is being read may hold now. */
  readonly windowBytes: number;
}

/** The receiving half. Iterate at most once. */
export class ReceiveHalf implements AsyncIterable<WireChunk> {
  readonly #id: number;
  readonly #port: StreamPort;
  readonly #queue: WireChunk[] = [];
  #granted = CREDIT_BYTES_INITIAL;
  #used = 0;
  #consumed = 0;
  #position = 0;
  #window = CREDIT_BYTES_INITIAL;
  #ended = false;
  #isWhole = false;
  #failure: unknown;
  #isDiscarding = false;
  #isIterated = false;
  #wake: (() => void) | undefined;

  constructor(id: number, port: StreamPort) {
    this.#id = id;
    this.#port = port;
  }

  /** Whether the other end has said that nothing more comes; without that, a stream that ended may lack its end. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Takes a chunk from the wire. @throws OperonError `wire.chunk_unexpected`, `wire.credit_exceeded` */
  push(chunk: WireChunk, { end, position }: ChunkPlace): void {
    if (this.#ended)
      throw protocolError("wire.chunk_unexpected", "A chunk came after the end of its stream");
    if (position !== this.#position)
      throw protocolError("wire.chunk_unexpected", "A chunk is missing from a stream");
    this.#position += chunk.payload.byteLength;
    if (chunk.payload.byteLength > 0) {
      this.#used += chunk.payload.byteLength + CHUNK_COST_BYTES;
      if (this.#used > this.#granted)
        throw protocolError("wire.credit_exceeded", "A peer sent more than its credit");
      if (this.#isDiscarding) this.#consume(chunk);
      else this.#queue.push(chunk);
    } else if (!end) {
      throw protocolError("wire.chunk_unexpected", "An empty chunk must end its stream");
    }
    if (end) {
      this.#ended = true;
      this.#isWhole = true;
    }
    this.#signal();
  }

  /** Ends the half from this side: readers see `failure`, or a clean end when there is none. */
  close(failure?: unknown): void {
    this.#ended = true;
    this.#failure ??= failure;
    this.#signal();
  }

  /** Drops what is queued and whatever still comes, granting credit so that the sender is not stuck. */
  discard(): void {
    if (this.#isDiscarding) return;
    this.#isDiscarding = true;
    for (const chunk of this.#queue.splice(0)) this.#consume(chunk);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WireChunk, undefined> {
    if (this.#isIterated) throw new Error("A stream can be read once");
    this.#isIterated = true;
    this.#window = Math.max(this.#window, this.#port.windowBytes);
    this.#grant();
    try {
      for (;;) {
        const chunk = this.#queue.shift();
        if (chunk) {
          this.#consume(chunk);
          yield chunk;
        } else if (this.#ended) {
          if (this.#failure !== undefined) throw this.#failure;
          return undefined;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.discard();
    }
  }

  #consume(chunk: WireChunk): void {
    this.#consumed += chunk.payload.byteLength + CHUNK_COST_BYTES;
    this.#grant();
  }

  /** Returns credit once a quarter of the window has been read. */
  #grant(): void {
    if (this.#ended) return;
    const target = this.#consumed + this.#window;
    if (target - this.#granted < this.#window / 4) return;
    this.#port.sendCredit(this.#id, target - this.#granted);
    this.#granted = target;
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** The sending half. One writer at a time. */
export class SendHalf {
  readonly #id: number;
  readonly #port: StreamPort;
  #credit = CREDIT_BYTES_INITIAL;
  #position = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(id: number, port: StreamPort) {
    this.#id = id;
    this.#port = port;
  }

  /** Payload bytes sent so far. */
  get position(): number {
    return this.#position;
  }

  /** More credit from the other end. @throws OperonError `wire.credit_invalid` when it exceeds any use */
  addCredit(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > CREDIT_BYTES_UNUSED_MAX)
      throw protocolError(
        "wire.credit_invalid",
        "A peer granted more credit than a stream can use",
      );
    this.#signal();
  }

  /**
   * Sends bytes, cut into chunks; waits for credit and for the socket. Does nothing once ended. When it has resolved,
   * `payload` may be written to again: the outbox has sent it at the latest in a microtask before.
   */
  async write(payload: Uint8Array, channel = 0): Promise<void> {
    let offset = 0;
    while (offset < payload.byteLength && !this.#ended) {
      const most = this.#port.busy ? CHUNK_BYTES : CHUNK_BYTES_MAX;
      const wanted = Math.min(payload.byteLength - offset, most);
      await this.#room(Math.min(wanted, CHUNK_BYTES));
      if (this.#ended) return;
      const size = Math.min(wanted, this.#credit - CHUNK_COST_BYTES);
      this.#emit({ channel, values: false, payload: payload.subarray(offset, offset + size) });
      offset += size;
    }
  }

  /** Sends an encoded array of values, whole; it must fit a chunk. */
  async writeValues(payload: Uint8Array): Promise<void> {
    await this.#room(payload.byteLength);
    if (!this.#ended) this.#emit({ channel: 0, values: true, payload });
  }

  /** Half-closes: nothing more comes from this side. May be called more than once. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#port.sendChunk(this.#id, {
      channel: 0,
      values: false,
      payload: EMPTY,
      end: true,
      position: this.#position,
    });
    this.#signal();
  }

  /** Stops without telling the other end, which knows already. */
  close(): void {
    this.#ended = true;
    this.#signal();
  }

  #emit(chunk: WireChunk): void {
    this.#credit -= chunk.payload.byteLength + CHUNK_COST_BYTES;
    this.#port.sendChunk(this.#id, { ...chunk, end: false, position: this.#position });
    this.#position += chunk.payload.byteLength;
  }

  async #room(bytes: number): Promise<void> {
    while (!this.#ended) {
      // Looked at again after each wait: others waited for the same room.
      const ready = this.#port.ready();
      if (ready) await ready;
      else if (this.#credit >= bytes + CHUNK_COST_BYTES) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

const EMPTY = new Uint8Array(0);

function protocolError(code: string, message: string): OperonError {
  return new OperonError({
    code,
    kind: "internal",
    message,
    hint: "The peer's software breaks the protocol; compare versions with operon node info",
  });
}
