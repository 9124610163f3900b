// A home's private key on disk: one line, `operon-key-1 ` and the seed in base64url; or an OpenSSH private key.
// It must never overwrite a key, print one, or read one that others could read.
// Next: private_file.ts checks the file; ssh_key.ts reads OpenSSH's format.

import { OperonError } from "../error.ts";
import { KeyPair } from "./key.ts";
import { readPrivateFile, writePrivateFile } from "./private_file.ts";
import { isOpenSshPrivateKey, parseOpenSshPrivateKey } from "./ssh_key.ts";

const PREFIX = "operon-key-1 ";
const FILE_BYTES_MAX = 16 * 1024;

/** @throws OperonError `identity.file_missing`, `identity.file_exposed`, `identity.key_file_invalid`, `identity.ssh_key_*` */
export function loadKey(path: string): KeyPair {
  const text = Buffer.from(readKeyFile(path)).toString("utf8").trim();
  if (isOpenSshPrivateKey(text)) return parseOpenSshPrivateKey(text);
  const seed = text.startsWith(PREFIX)
    ? Buffer.from(text.slice(PREFIX.length), "base64url")
    : undefined;
  if (seed?.byteLength === 32) return KeyPair.fromSeed(seed);
  throw new OperonError({
    code: "identity.key_file_invalid",
    kind: "data_loss",
    message: `${path} holds no key`,
    hint: "Restore it from a backup; a new key means that every node must be joined again",
  });
}

function readKeyFile(path: string): Uint8Array {
  try {
    return readPrivateFile(path, { maxBytes: FILE_BYTES_MAX });
  } catch (error) {
    if (!(error instanceof OperonError) || error.code !== "identity.file_missing") throw error;
    const { code, kind, message } = error;
    throw new OperonError({
      code,
      kind,
      message,
      hint: "Check the path; operon onboard creates a home with its key and configuration",
      cause: error,
    });
  }
}

/** Makes a key and its file (0600). @throws OperonError `identity.file_exists` */
export function createKey(path: string): KeyPair {
  const key = KeyPair.generate();
  const text = `${PREFIX}${Buffer.from(key.exportSeed()).toString("base64url")}\n`;
  writePrivateFile(path, Buffer.from(text), { exclusive: true });
  return key;
}
