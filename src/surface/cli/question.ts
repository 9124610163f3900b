// Questions on a terminal, one line each.
// It must never lose what was typed ahead: one reader serves all questions.

import type { Stdio } from "./stdio.ts";

const LINE_CHARS_MAX = 4096;

/** Asks and waits. */
export interface Asking {
  /** The answer without surrounding space; `undefined` when the input ended. */
  question(text: string): Promise<string | undefined>;
}

/** Asks on standard error, so that standard output holds results only, and reads standard input. */
export function askingOn({ stdin, stderr }: Pick<Stdio, "stdin" | "stderr">): Asking {
  const decoder = new TextDecoder();
  let chunks: AsyncIterator<Uint8Array> | undefined;
  let text = "";
  return {
    async question(prompt) {
      await stderr.write(prompt);
      chunks ??= stdin.chunks()[Symbol.asyncIterator]();
      for (;;) {
        const end = text.indexOf("\n");
        if (end >= 0) {
          const line = text.slice(0, end).trim();
          text = text.slice(end + 1);
          return line;
        }
        const next = await chunks.next();
        if (next.done || text.length > LINE_CHARS_MAX) return undefined;
        text += decoder.decode(next.value, { stream: true });
      }
    },
  };
}
