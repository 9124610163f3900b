// `~.` at the start of a line: the one thing that is said to this side of a terminal instead of the other.
// It must never change any other keys, whichever way they are cut into chunks.
// Next: terminal.ts passes every key by it.

const CTRL_C = 0x03;
const TILDE = 0x7e;
const DOT = 0x2e;
const LINE_ENDS = [0x0d, 0x0a];

/**
 * Keys until somebody asks to leave; `~~` at the start of a line is one `~`. While nobody is there yet who could be
 * interrupted, Ctrl-C leaves too.
 */
export async function* untilLeaving(
  keys: AsyncIterable<Uint8Array>,
  leave: () => void,
  isThere: () => boolean = () => true,
): AsyncGenerator<Uint8Array, undefined> {
  let isLineStart = true;
  let isEscape = false;
  for await (const chunk of keys) {
    if (chunk.includes(CTRL_C) && !isThere()) return leave() as undefined;
    const passed: number[] = [];
    for (const key of chunk) {
      if (isEscape) {
        isEscape = false;
        if (key === DOT) {
          if (passed.length > 0) yield new Uint8Array(passed);
          leave();
          return undefined;
        }
        passed.push(TILDE);
        if (key === TILDE) {
          isLineStart = false;
          continue;
        }
      } else if (isLineStart && key === TILDE) {
        isEscape = true;
        continue;
      }
      passed.push(key);
      isLineStart = LINE_ENDS.includes(key);
    }
    if (passed.length > 0) yield new Uint8Array(passed);
  }
  return undefined;
}
