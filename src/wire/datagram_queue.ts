// Datagrams between whoever brings them, who does not wait, and a stream that pulls: what does not fit is dropped, as on any network.
// It must never join or split datagrams, nor hold more than its bounds.
// Next: tcp_stream.ts is what TCP has instead; capabilities and surfaces join these with calls.

/** Largest payload of a UDP datagram over IPv4 (bytes). */
export const DATAGRAM_BYTES_MAX = 65_507;

const DATAGRAMS_MAX = 1024;
const QUEUED_BYTES_MAX = 1024 * 1024;

/** A bounded queue; iterate once. */
export class DatagramQueue implements AsyncIterable<Uint8Array> {
  readonly #queue: Uint8Array[] = [];
  #bytes = 0;
  #isEnded = false;
  #wake: (() => void) | undefined;

  /** Takes a datagram; `false` when it had to be dropped. The bytes belong to the queue from now on. */
  push(datagram: Uint8Array): boolean {
    if (this.#isEnded || this.#queue.length >= DATAGRAMS_MAX) return false;
    if (this.#bytes + datagram.byteLength > QUEUED_BYTES_MAX) return false;
    this.#queue.push(datagram);
    this.#bytes += datagram.byteLength;
    this.#signal();
    return true;
  }

  /** Nothing comes any more; what is queued is still delivered. */
  end(): void {
    this.#isEnded = true;
    this.#signal();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
    for (;;) {
      const datagram = this.#queue.shift();
      if (datagram) {
        this.#bytes -= datagram.byteLength;
        yield datagram;
      } else if (this.#isEnded) return undefined;
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
