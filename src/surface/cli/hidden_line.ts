// One line typed on this terminal without being shown: a password, a token.
// It must never print what is typed, nor leave the terminal without its echo.
// Next: terminal_keys.ts takes the keys; source.ts sends the line.

import { OperonError } from "../../error.ts";
import type { Keys } from "./terminal_keys.ts";

/** One more than a secret may have: what is longer is refused by who takes it, not cut. */
const LINE_BYTES_MAX = 64 * 1024 + 1;
const ENTER = new Set([0x0a, 0x0d]);
const ERASE = new Set([0x08, 0x7f]);
const END_OF_INPUT = 0x04;
const CANCEL = 0x03;
const ERASE_LINE = 0x15;

/** The bytes of the line, without its end. @throws OperonError `cli.declined` after Ctrl-C */
export async function readHiddenLine(keys: Keys): Promise<Uint8Array> {
  using taken = keys;
  const line: number[] = [];
  for await (const bytes of taken)
    for (const byte of bytes) {
      if (byte === CANCEL) throw declined();
      if (ENTER.has(byte) || byte === END_OF_INPUT) return Uint8Array.from(line);
      if (ERASE.has(byte)) eraseCharacter(line);
      else if (byte === ERASE_LINE) line.length = 0;
      else if (line.length < LINE_BYTES_MAX) line.push(byte);
    }
  return Uint8Array.from(line);
}

/** A character may have several bytes (UTF-8): those that go on with one begin with the bits 10. */
function eraseCharacter(line: number[]): void {
  while (line.length > 0 && (line.pop()! & 0xc0) === 0x80);
}

function declined(): OperonError {
  return new OperonError({
    code: "cli.declined",
    kind: "cancelled",
    message: "Nothing was sent",
  });
}
