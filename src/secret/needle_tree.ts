// Finds many texts at once in a stream of bytes, in time linear in the stream (Aho and Corasick, 1975).
// It must never grow with the stream: a state is a number.
// Next: redactor.ts walks it.

/** A text that is looked for. */
export interface Needle {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The state in which nothing is found yet. */
export const ROOT = 0;

/**
 * Prefixes of the needles as states. Children of a state are a list, which is short: there are few needles, and they are
 * long, so that arrays of numbers hold them in a fraction of what a table would take.
 */
export class NeedleTree {
  readonly #byte: Uint8Array;
  readonly #firstChild: Int32Array;
  readonly #sibling: Int32Array;
  readonly #fallback: Int32Array;
  readonly #depth: Int32Array;
  /** The state whose needle is the longest that ends here; 0 for none. */
  readonly #match: Int32Array;
  readonly #names = new Map<number, string>();
  readonly #fromRoot = new Int32Array(256);
  #size = 1;

  constructor(needles: readonly Needle[]) {
    const most = 1 + needles.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    this.#byte = new Uint8Array(most);
    this.#firstChild = new Int32Array(most);
    this.#sibling = new Int32Array(most);
    this.#fallback = new Int32Array(most);
    this.#depth = new Int32Array(most);
    this.#match = new Int32Array(most);
    for (const needle of needles) this.#add(needle);
    this.#link();
  }

  /** The state after a byte: the longest prefix of a needle that the stream now ends with. */
  next(state: number, byte: number): number {
    for (let at = state; at !== ROOT; at = this.#fallback[at]!) {
      const child = this.#child(at, byte);
      if (child !== 0) return child;
    }
    return this.#fromRoot[byte]!;
  }

  /** How many bytes of a needle a state stands for. */
  depth(state: number): number {
    return this.#depth[state]!;
  }

  /** The longest needle that ends in this state. */
  found(state: number): { readonly name: string; readonly length: number } | undefined {
    const end = this.#match[state]!;
    if (end === ROOT) return undefined;
    return { name: this.#names.get(end)!, length: this.#depth[end]! };
  }

  #child(state: number, byte: number): number {
    let child = this.#firstChild[state]!;
    while (child !== 0 && this.#byte[child] !== byte) child = this.#sibling[child]!;
    return child;
  }

  #add({ name, bytes }: Needle): void {
    let state = ROOT;
    for (const byte of bytes) {
      let child = this.#child(state, byte);
      if (child === 0) {
        child = this.#size++;
        this.#byte[child] = byte;
        this.#depth[child] = this.#depth[state]! + 1;
        this.#sibling[child] = this.#firstChild[state]!;
        this.#firstChild[state] = child;
      }
      state = child;
    }
    if (state === ROOT) return;
    this.#match[state] = state;
    if (!this.#names.has(state)) this.#names.set(state, name);
  }

  /** Breadth first: where a state falls back to is nearer to the root, and has been linked before it. */
  #link(): void {
    const queue: number[] = [];
    for (let child = this.#firstChild[ROOT]!; child !== 0; child = this.#sibling[child]!) {
      this.#fromRoot[this.#byte[child]!] = child;
      queue.push(child);
    }
    for (let at = 0; at < queue.length; at++) {
      const state = queue[at]!;
      if (this.#match[state] === ROOT) this.#match[state] = this.#match[this.#fallback[state]!]!;
      for (let child = this.#firstChild[state]!; child !== 0; child = this.#sibling[child]!) {
        this.#fallback[child] = this.next(this.#fallback[state]!, this.#byte[child]!);
        queue.push(child);
      }
    }
  }
}
