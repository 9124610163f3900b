// The system's C library, whichever it is: glibc, musl, macOS's.
// It must never be opened before something needs it: opening a library costs start-up time.
// Next: whoever needs a call that the runtime does not offer names it and its types.

import type { dlopen } from "bun:ffi";

type Signatures = Parameters<typeof dlopen>[1];

/**
 * Calls of the C library, by name. @throws what the last library said: none is known for this system, or one of the calls
 * is not in it
 */
export function openLibc<const Calls extends Signatures>(
  calls: Calls,
): ReturnType<typeof dlopen<Calls>>["symbols"] {
  // Not an import: this file is loaded where a command starts, and the loader only where it is used.
  const { dlopen } = require("bun:ffi") as typeof import("bun:ffi");
  let failure: unknown = new Error(`The C library of ${process.platform} is not known`);
  for (const name of namesOf(process.platform)) {
    try {
      return dlopen(name, calls).symbols;
    } catch (thrown) {
      failure = thrown;
    }
  }
  throw failure;
}

function namesOf(platform: string): readonly string[] {
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  if (platform === "darwin") return ["libSystem.B.dylib"];
  return platform === "linux" ? ["libc.so.6", `libc.musl-${arch}.so.1`] : [];
}
