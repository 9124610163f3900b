// SHA-256, by the quickest way the runtime has.
// It must give the same bytes in every runtime.

import { createHash } from "node:crypto";

/** Of one piece: 32 bytes. */
export const sha256: (data: Uint8Array) => Uint8Array =
  typeof Bun === "undefined"
    ? (data) => createHash("sha256").update(data).digest()
    : (data) => Bun.SHA256.hash(data) as Uint8Array;

/** Of two pieces, one after the other, without joining them. */
export const sha256OfBoth: (first: Uint8Array, second: Uint8Array) => Uint8Array =
  typeof Bun === "undefined"
    ? (first, second) => createHash("sha256").update(first).update(second).digest()
    : (first, second) => new Bun.SHA256().update(first).update(second).digest() as Uint8Array;
