// One pass over a stream that replaces every text it looks for, however the stream is cut into chunks.
// It must never let a byte go by that may still turn out to be part of such a text, nor hold one that cannot.
// Next: needle_tree.ts finds the texts; redactor.ts runs two passes behind each other.

import { type Needle, NeedleTree, ROOT } from "./needle_tree.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Line breaks behind each other that belong to one wrapped text: CR and LF. */
const BREAKS_MAX = 2;
/** So much of a text may be shown (bytes) where waiting for the rest would keep a terminal's keys from their echo. */
const SHOWN_BYTES_MAX = 3;
const NOTHING = new Uint8Array(0);

/** A part of the stream that is to be replaced; positions count from the stream's beginning. */
interface Region {
  start: number;
  end: number;
  name: string;
}

/** Replaces needles by `[redacted NAME]`; overlapping ones by one mark, that of the first. */
export class RedactionPass {
  readonly #tree: NeedleTree;
  readonly #isWrapped: boolean;
  /** What has come and not gone; begins at {@link #from}. */
  #held: Uint8Array = NOTHING;
  #from = 0;
  /** Next to come. */
  #position = 0;
  #state = ROOT;
  readonly #regions: Region[] = [];
  /** Positions of the line breaks that were skipped within what may be a needle. */
  #breaks: number[] = [];
  #breaksInRow = 0;

  /** @param isWrapped whether line breaks within a needle do not count */
  constructor(needles: readonly Needle[], isWrapped: boolean) {
    this.#tree = new NeedleTree(needles);
    this.#isWrapped = isWrapped;
  }

  /** Takes a chunk, and gives what can be shown now. */
  push(bytes: Uint8Array): Uint8Array {
    for (const byte of bytes) this.#step(byte);
    this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    return this.#take(this.#startOf(this.#tree.depth(this.#state)));
  }

  /** What is held for a needle that has hardly begun; for a terminal that has been silent for a moment. */
  release(): Uint8Array {
    const isShort = this.#tree.depth(this.#state) <= SHOWN_BYTES_MAX;
    return isShort && this.#regions.length === 0 ? this.#take(this.#position) : NOTHING;
  }

  /** The rest; nothing comes any more. */
  flush(): Uint8Array {
    this.#state = ROOT;
    return this.#take(this.#position);
  }

  #step(byte: number): void {
    this.#position++;
    if (this.#isSkipped(byte)) return;
    this.#breaksInRow = 0;
    this.#state = this.#tree.next(this.#state, byte);
    if (this.#state === ROOT) this.#breaks.length = 0;
    const found = this.#tree.found(this.#state);
    if (found) this.#mark(this.#startOf(found.length), found.name);
  }

  #isSkipped(byte: number): boolean {
    if (!this.#isWrapped || (byte !== LINE_FEED && byte !== CARRIAGE_RETURN)) return false;
    // Where a needle has hardly begun the end of the line is shown: it is hardly ever one.
    if (this.#tree.depth(this.#state) <= SHOWN_BYTES_MAX) return false;
    if (++this.#breaksInRow > BREAKS_MAX) return false;
    this.#breaks.push(this.#position - 1);
    return true;
  }

  /** Where the last so many bytes begin that are no skipped line breaks. */
  #startOf(length: number): number {
    let start = this.#position - length;
    if (length > 0)
      for (let at = this.#breaks.length - 1; at >= 0; at--) {
        if (this.#breaks[at]! < start) break;
        start--;
      }
    return start;
  }

  #mark(start: number, name: string): void {
    const marked: Region = { start, end: this.#position, name };
    for (let last = this.#regions.at(-1); last && last.end > start; last = this.#regions.at(-1)) {
      this.#regions.pop();
      if (last.start >= marked.start) continue;
      marked.start = last.start;
      marked.name = last.name;
    }
    this.#regions.push(marked);
  }

  /** What stands before a position, of which no later needle can be a part. */
  #take(safe: number): Uint8Array {
    const parts: Uint8Array[] = [];
    const takeTo = (position: number) => {
      const count = position - this.#from;
      if (count <= 0) return;
      parts.push(this.#held.subarray(0, count));
      this.#held = this.#held.subarray(count);
      this.#from = position;
    };
    const dropTo = (position: number) => {
      this.#held = this.#held.subarray(Math.max(position - this.#from, 0));
      this.#from = Math.max(position, this.#from);
    };
    for (;;) {
      const [region] = this.#regions;
      takeTo(Math.min(region?.start ?? safe, safe));
      if (!region || region.start >= safe) break;
      dropTo(Math.min(region.end, safe));
      // Another needle may begin within this one: then both get one mark.
      if (region.end > safe) break;
      parts.push(new TextEncoder().encode(`[redacted ${region.name}]`));
      this.#regions.shift();
    }
    this.#breaks = this.#breaks.filter((position) => position >= safe);
    // The chunk is the caller's, who may use its memory again.
    this.#held = this.#held.slice();
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
