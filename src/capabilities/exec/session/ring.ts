// The last bytes a terminal showed, by their position since it was opened.
// It must never hold more than its capacity: what is older is gone, and said to be.
// Next: host.ts fills it; each client reads from a position of its own.

/** A byte buffer that forgets its beginning. */
export class Ring {
  readonly #bytes: Uint8Array;
  #end = 0;

  constructor(capacityBytes: number) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  /** Position behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Position of the oldest byte that is still there. */
  get start(): number {
    return Math.max(0, this.#end - this.#bytes.byteLength);
  }

  append(bytes: Uint8Array): void {
    const size = this.#bytes.byteLength;
    const kept = bytes.subarray(Math.max(0, bytes.byteLength - size));
    const at = (this.#end + bytes.byteLength - kept.byteLength) % size;
    const first = kept.subarray(0, size - at);
    this.#bytes.set(first, at);
    this.#bytes.set(kept.subarray(first.byteLength), 0);
    this.#end += bytes.byteLength;
  }

  /** A copy of what is there from a position, which must not be before `start`. */
  read(from: number, bytesMax: number): Uint8Array {
    const size = this.#bytes.byteLength;
    const count = Math.min(bytesMax, this.#end - from);
    const at = from % size;
    const taken = new Uint8Array(count);
    const first = this.#bytes.subarray(at, Math.min(size, at + count));
    taken.set(first);
    taken.set(this.#bytes.subarray(0, count - first.byteLength), first.byteLength);
    return taken;
  }
}
