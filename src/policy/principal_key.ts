// The key id of a principal, however its key is written: an operon key id, or an OpenSSH public key line.
// It must never accept a key with two spellings: two principals with one key would be told apart by none.

import { PublicKey } from "../identity/key.ts";
import { parseAuthorizedKey } from "../identity/ssh_key.ts";
import type { PrincipalDocument } from "./schema.ts";

/**
 * The key id (`ed25519:<base32>`) of a principal.
 * @throws OperonError `identity.key_invalid`, `identity.ssh_key_invalid`
 */
export function principalKeyId(principal: PrincipalDocument): string {
  const { key = "", ssh } = principal;
  return (ssh === undefined ? PublicKey.parse(key) : parseAuthorizedKey(ssh).key).id;
}
