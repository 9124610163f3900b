// The keys of this terminal, raw: each goes to whoever takes them, none is a signal meanwhile.
// It must never leave the terminal raw, however the process ends.
// Next: terminal.ts sends them to a node; stdio.ts hands them out.

/** The keys of a terminal. Whoever takes them gives them back. */
export type Keys = AsyncIterable<Uint8Array> & Disposable;

/** Takes the keys of standard input, which must be a terminal, until it is disposed of. */
export function takeKeys(): Keys {
  const input = process.stdin;
  const restore = () => {
    input.setRawMode(false);
  };
  input.setRawMode(true);
  process.once("exit", restore);
  return {
    async *[Symbol.asyncIterator]() {
      for await (const chunk of input.iterator({ destroyOnReturn: false })) {
        yield new Uint8Array(chunk as Buffer);
      }
    },
    [Symbol.dispose]() {
      process.off("exit", restore);
      input.pause();
      restore();
    },
  };
}
