// The key id of a principal, however its key is written.
import { OperonError } from "../error.ts";
import type { PrincipalDocument } from "./schema.ts";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * The key id (`ed25519:<base32>`) of a principal.
 * @throws OperonError for a key that is not a whole Ed25519 public key
 */
export function principalKeyId(principal: PrincipalDocument): string {
  if ("key" in principal) {
    if (!/^ed25519:[a-z2-7]{52}$/.test(principal.key)) throw bad("not ed25519:<52 characters>");
    return principal.key;
  }
  const [kind, blob = ""] = principal.ssh.trim().split(/\s+/);
  const bytes = Buffer.from(blob, "base64");
  if (kind !== "ssh-ed25519" || bytes.length !== 51) throw bad("not an ssh-ed25519 key line");
  return `ed25519:${base32(bytes.subarray(19))}`;
}

function base32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? out + ALPHABET[(held << (5 - bits)) & 31] : out;
}

function bad(why: string): OperonError {
  return new OperonError({
    code: "policy.key_invalid",
    kind: "invalid_argument",
    message: `It is ${why}`,
    hint: "Copy the whole key from `operon node info`",
  });
}
