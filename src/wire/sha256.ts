// SHA-256, by the quickest way the runtime has.
// It must give the same bytes in every runtime.

import { nativeCrypto } from "../identity/native_crypto.ts";

/** Of one piece: 32 bytes. */
export const sha256: (data: Uint8Array) => Uint8Array =
  typeof Bun === "undefined"
    ? (data) => nativeCrypto().createHash("sha256").update(data).digest()
    : (data) => Bun.SHA256.hash(data) as Uint8Array;

/** Of two pieces, one after the other, without joining them. */
export const sha256OfBoth: (first: Uint8Array, second: Uint8Array) => Uint8Array =
  typeof Bun === "undefined"
    ? (first, second) => nativeCrypto().createHash("sha256").update(first).update(second).digest()
    : (first, second) => new Bun.SHA256().update(first).update(second).digest() as Uint8Array;
