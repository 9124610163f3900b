// What the programs of another terminal do to this one when it shows what they wrote, and what undoes it.
// It must never change what comes to no terminal: it is made only for one.
// Next: terminal.ts lends this terminal to a session; show.ts plays what a session showed.

import { QueryFilter } from "./terminal_queries.ts";

/**
 * Undoes what programs do to a terminal: other codes for cursor keys, the mouse, focus reports, paste marks, other codes
 * for the keypad and for keys with modifiers (xterm's modifyOtherKeys), a hidden cursor, colours.
 */
const MODES_OFF = "\x1b[?1;1000;1002;1003;1004;1006;2004l\x1b>\x1b[>4m\x1b[?25h\x1b[0m";
const ESCAPE = 0x1b;
const OTHER_SCREEN = "\x1b[?1049h";
const OTHER_SCREEN_OFF = "\x1b[?1049l";

/** What programs have done to this terminal. */
export class Screen {
  readonly #filter = new QueryFilter();
  #isOther = false;
  /** The end of what was seen: what comes next may complete it. */
  #tail = "";

  /** What of a chunk the terminal is to get now, when its first `oldBytes` were shown before. */
  shown(bytes: Uint8Array, oldBytes: number): Uint8Array {
    this.#see(bytes);
    return this.#filter.pass(bytes, oldBytes);
  }

  /** What puts it in order. */
  restoring(): string {
    return (this.#isOther ? OTHER_SCREEN_OFF : "") + MODES_OFF;
  }

  #see(bytes: Uint8Array): void {
    if (this.#tail === "" && !bytes.includes(ESCAPE)) return;
    const text =
      this.#tail + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    const on = text.lastIndexOf(OTHER_SCREEN);
    const off = text.lastIndexOf(OTHER_SCREEN_OFF);
    if (on !== off) this.#isOther = on > off;
    const last = text.lastIndexOf("\x1b");
    this.#tail = last > text.length - OTHER_SCREEN.length ? text.slice(last) : "";
  }
}
