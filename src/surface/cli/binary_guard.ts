// Asks before bytes that are no text reach a terminal, which might obey them.
// It must never come between a program and its own terminal: only plain streams of bytes are looked at.
// Next: show.ts passes every chunk by it.

import { OperonError } from "../../error.ts";
import type { Running } from "./context.ts";
import { askingOn } from "./question.ts";

/** Looks at chunks on their way to standard output; once somebody said yes, everything may pass. */
export interface BinaryGuard {
  /** @throws OperonError `cli.binary_refused` */
  admit(bytes: Uint8Array): Promise<void>;
}

/** Passes everything where standard output is no terminal, or `--yes` was given. */
export function binaryGuard({ context, globals }: Running): BinaryGuard {
  const { stdin, stdout, stderr } = context.stdio;
  let isOpen = globals.yes || globals.json || !stdout.isTty;
  /** Half a character may stand at its end. */
  let last = 0;
  return {
    async admit(bytes) {
      if (isOpen || bytes.byteLength === 0) return;
      const isCut = isC1(last, bytes[0]!);
      last = bytes.at(-1)!;
      if (!isCut && !isBinary(bytes)) return;
      const answer =
        stdin.isTty && stderr.isTty
          ? await askingOn(context.stdio).question(
              "This is not text and may confuse the terminal. Show it all the same? [y/N] ",
            )
          : undefined;
      if (!/^y(es)?$/i.test(answer ?? "")) throw refused();
      isOpen = true;
    },
  };
}

/** Control characters but those that text is laid out with, or bytes that are not UTF-8; a cut character at either end is none. */
export function isBinary(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < 0x20 && (byte < 0x08 || byte > 0x0d))) return true;
  if (bytes.some((byte, at) => at > 0 && isC1(bytes[at - 1]!, byte))) return true;
  let start = 0;
  while (start < 3 && start < bytes.length && isContinuation(bytes[start]!)) start++;
  let end = bytes.length;
  while (end > start && bytes.length - end < 3 && isContinuation(bytes[end - 1]!)) end--;
  if (end > start && bytes[end - 1]! >= 0xc0) end--;
  else end = bytes.length;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, end));
    return false;
  } catch {
    return true;
  }
}

/** Whether two bytes are a control character from U+0080 on: to many terminals U+009B is what `ESC [` is. */
function isC1(first: number, second: number): boolean {
  return first === 0xc2 && second >= 0x80 && second < 0xa0;
}

function isContinuation(byte: number): boolean {
  return byte >= 0x80 && byte < 0xc0;
}

function refused(): OperonError {
  return new OperonError({
    code: "cli.binary_refused",
    kind: "cancelled",
    message: "The content is not text and was not shown",
    hint: "Write it to a file with --output FILE, pipe it on, or give --yes",
  });
}
