// The keys of this terminal, raw: each goes to whoever takes them, none is a signal meanwhile.
// It must never leave the terminal raw, however the process ends.
// Next: terminal.ts sends them to a node; stdio.ts hands them out.

import type { Pointer } from "bun:ffi";
import { openLibc } from "../../libc.ts";

/** The keys of a terminal. Whoever takes them gives them back. */
export type Keys = AsyncIterable<Uint8Array> & Disposable;

/** More than `struct termios` has anywhere (bytes). */
const TERMIOS_BYTES = 256;
const TCSANOW = 0;
/** Reads of keys that wait to be sent; a paste is many. */
const WAITING_MAX = 64;

/** Takes the keys of standard input, which must be a terminal, until it is disposed of. */
export function takeKeys(): Keys {
  const input = process.stdin;
  setRawMode(true);
  const restoreOutput = passOutputThrough();
  const restore = () => {
    restoreOutput();
    setRawMode(false);
  };
  process.once("exit", restore);
  // No iterator of the stream: one that still waits when it is left would take the next one's first key.
  const pressed: Uint8Array[] = [];
  let isOver = false;
  let isPaused = false;
  let wake: () => void = () => {};
  const pause = (isWanted: boolean) => {
    isPaused = isWanted;
    if (isWanted) input.pause();
    else input.resume();
  };
  const add = (chunk: Buffer) => {
    pressed.push(new Uint8Array(chunk));
    if (pressed.length >= WAITING_MAX) pause(true);
    wake();
  };
  const end = () => {
    isOver = true;
    wake();
  };
  input.on("data", add);
  input.once("end", end);
  input.resume();
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = pressed.shift();
        if (chunk) {
          if (pressed.length === 0 && isPaused && !isOver) pause(false);
          yield chunk;
        } else if (isOver) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
    [Symbol.dispose]() {
      pressed.length = 0;
      end();
      input.off("data", add);
      input.off("end", end);
      process.off("exit", restore);
      input.pause();
      restore();
    },
  };
}

/** Every key by itself, or lines again; of no effect on a terminal that is gone, which whoever reads it notices. */
export function setRawMode(isRaw: boolean): void {
  try {
    process.stdin.setRawMode(isRaw);
  } catch {
    // Its window was closed: nothing is left to be put in order.
  }
}

/**
 * The runtime's raw mode still turns each line feed into two characters, but the terminal at the other end has done so
 * already. Returns what takes it back.
 */
function passOutputThrough(): () => void {
  // Loading it costs what only this needs.
  const { FFIType, ptr } = require("bun:ffi") as typeof import("bun:ffi");
  const { i32, ptr: pointer, void: nothing } = FFIType;
  try {
    const symbols = openLibc({
      tcgetattr: { args: [i32, pointer], returns: i32 },
      tcsetattr: { args: [i32, i32, pointer], returns: i32 },
      cfmakeraw: { args: [pointer], returns: nothing },
    });
    const before = new Uint8Array(TERMIOS_BYTES);
    const raw = new Uint8Array(TERMIOS_BYTES);
    const at = (bytes: Uint8Array): Pointer => ptr(bytes);
    if (symbols.tcgetattr(0, at(before)) !== 0) return () => {};
    raw.set(before);
    symbols.cfmakeraw(at(raw));
    symbols.tcsetattr(0, TCSANOW, at(raw));
    return () => void symbols.tcsetattr(0, TCSANOW, at(before));
  } catch {
    // A system with another C library: lines come with one carriage return too many, nothing else.
    return () => {};
  }
}
