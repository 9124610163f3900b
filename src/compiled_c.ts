// A piece of C, compiled into this process where it runs.
// It must never be linked: that takes the files of a compiler, which few machines have. What it uses is handed to it.
// Next: capabilities/exec/launch/launch.ts starts commands with one.

import type { cc } from "bun:ffi";
import { closeSync, writeSync } from "node:fs";
import { openLibc } from "./libc.ts";

type Signatures = Parameters<typeof cc>[0]["symbols"];

const MFD_CLOEXEC = 1;

/** Functions of a C source. @throws Error what the compiler said, or that this system has none */
export function compileC<const Functions extends Signatures>(
  source: string,
  functions: Functions,
): ReturnType<typeof cc<Functions>>["symbols"] {
  // Not imports: this file is loaded where a command starts, and the compiler only where it is used.
  const { cc, ptr } = require("bun:ffi") as typeof import("bun:ffi");
  const { memfd_create } = openLibc({ memfd_create: { args: ["ptr", "u32"], returns: "i32" } });
  // The compiler takes a file; this one never has a name others could write to.
  const fd = memfd_create(ptr(new TextEncoder().encode("c\0")), MFD_CLOEXEC);
  if (fd < 0) throw new Error("No file in memory: this process is out of descriptors");
  try {
    writeSync(fd, source);
    const path = `/proc/self/fd/${fd}`;
    return cc({ source: path, flags: ["-nostdlib"], symbols: functions }).symbols;
  } finally {
    closeSync(fd);
  }
}
