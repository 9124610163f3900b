// Signed heads of the log: how many entries there are and the Merkle root over them, one JSON line each.
// A checkpoint must never cover an entry that is not durable: truncation below one is tampering, not a crash.
// Next: log.ts writes them, verify.ts checks them, peers keep each other's.

import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { OperonError } from "../error.ts";
import { PublicKey } from "../identity/key.ts";
import { CREATE_READ_WRITE, dataSync, type SyncMode, writeFully } from "./descriptor.ts";
import { eachLine } from "./line.ts";

/** What signs checkpoints: the node's key. */
export interface Signer {
  readonly publicKey: { readonly id: string; readonly bytes: Uint8Array };
  sign(message: Uint8Array): Uint8Array;
}

/** A signed head of the log; everything a peer needs to keep it to account. */
export interface Checkpoint {
  /** Entries covered. */
  readonly size: number;
  /** RFC 9162 Merkle root over the hashes of those entries, hex. */
  readonly root: string;
  /** Hash of the last entry covered, hex. */
  readonly last: string;
  readonly time: string;
  /** The signer's raw public key, hex. */
  readonly key: string;
  /** Ed25519 over {@link checkpointMessage}, hex. */
  readonly signature: string;
}

/** A checkpoint as it stands in the file: with what lets a writer go on from it (unsigned, but bound by the root). */
export interface StoredCheckpoint extends Checkpoint {
  /** First sequence of the segment the last entry is in, and where that entry ends (bytes). */
  readonly segment: number;
  readonly end_bytes: number;
  /** Right edge of the Merkle tree. */
  readonly peaks: readonly string[];
}

/** Name of the file inside the audit folder. */
export const CHECKPOINTS_FILE = "checkpoints.jsonl";

const CONTEXT = Buffer.from("operon/1 audit checkpoint\0");

/** The bytes a checkpoint's signature covers: context | u64 size | root | last | u64 time (ms) | key. */
export function checkpointMessage(checkpoint: Omit<Checkpoint, "signature">): Uint8Array {
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(BigInt(checkpoint.size), 0);
  numbers.writeBigUInt64BE(BigInt(Date.parse(checkpoint.time)), 8);
  return Buffer.concat([
    CONTEXT,
    numbers.subarray(0, 8),
    Buffer.from(checkpoint.root, "hex"),
    Buffer.from(checkpoint.last, "hex"),
    numbers.subarray(8),
    Buffer.from(checkpoint.key, "hex"),
  ]);
}

/** Signs a head. */
export function signCheckpoint(
  head: { readonly size: number; readonly root: string; readonly last: string },
  by: { readonly key: Signer; readonly timeMs: number },
): Checkpoint {
  const unsigned = {
    ...head,
    time: new Date(by.timeMs).toISOString(),
    key: Buffer.from(by.key.publicKey.bytes).toString("hex"),
  };
  const signature = Buffer.from(by.key.sign(checkpointMessage(unsigned))).toString("hex");
  return { ...unsigned, signature };
}

/** Whether the signature is that of the key the checkpoint names. */
export function isSignedByItsKey(checkpoint: Checkpoint): boolean {
  const key = publicKeyOf(checkpoint.key);
  const signature = Buffer.from(checkpoint.signature, "hex");
  return key?.verify(checkpointMessage(checkpoint), signature) ?? false;
}

/** A log has one key, so the one parsed last is the one needed next. */
let latest: { readonly hex: string; readonly key: PublicKey | undefined } | undefined;

function publicKeyOf(hex: string): PublicKey | undefined {
  if (latest?.hex !== hex) latest = { hex, key: parseKey(hex) };
  return latest.key;
}

function parseKey(hex: string): PublicKey | undefined {
  try {
    return PublicKey.fromBytes(Buffer.from(hex, "hex"));
  } catch {
    return undefined;
  }
}

/** Reads a line of the file; `undefined` for anything that is not exactly a checkpoint. */
export function parseCheckpoint(line: Uint8Array): StoredCheckpoint | undefined {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(Buffer.from(line).toString("utf8"));
  } catch {
    return;
  }
  const checkpoint = checkpointOf(value);
  if (!checkpoint) return;
  const { segment, end_bytes, peaks } = value as Record<string, unknown>;
  if (!isCount(segment) || !isCount(end_bytes)) return;
  if (!Array.isArray(peaks) || peaks.length > 53 || !peaks.every((p) => isHex(p, 64))) return;
  return { ...checkpoint, segment, end_bytes, peaks };
}

/** The fields of a checkpoint and no others; `undefined` where one is missing or not what it should be. */
export function checkpointOf(value: unknown): Checkpoint | undefined {
  if (typeof value !== "object" || value === null) return;
  const { size, root, last, time, key, signature } = value as Record<string, unknown>;
  if (!isCount(size)) return;
  if (!isHex(root, 64) || !isHex(last, 64) || !isHex(key, 64) || !isHex(signature, 128)) return;
  if (typeof time !== "string" || Number.isNaN(Date.parse(time)) || Date.parse(time) < 0) return;
  return { size, root, last, time, key, signature };
}

/** The newest checkpoint of the log in a folder; `undefined` when there is none to be read. */
export function lastCheckpoint(directory: string): Checkpoint | undefined {
  try {
    using file = new CheckpointFile(directory, { isCreated: false });
    return checkpointOf(file.last());
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === "string" && value.length === length && /^[0-9a-f]+$/.test(value);
}

/** The append-only file of checkpoints. Call its methods only while holding the log's lock. */
export class CheckpointFile implements Disposable {
  readonly #fd: number;

  /** Creates the file (0600) when it is missing, unless it is only to be read. */
  constructor(directory: string, { isCreated = true } = {}) {
    const path = `${directory}/${CHECKPOINTS_FILE}`;
    this.#fd = isCreated ? openSync(path, CREATE_READ_WRITE, 0o600) : openSync(path, "r");
  }

  /** The last whole line as a checkpoint: `undefined` when there is none, `"invalid"` when it is not one. */
  last(): StoredCheckpoint | "invalid" | undefined {
    const size = fstatSync(this.#fd).size;
    const start = Math.max(0, size - TAIL_READ_BYTES);
    const bytes = Buffer.alloc(size - start);
    readSync(this.#fd, bytes, 0, bytes.length, start);
    let last: Uint8Array | undefined;
    eachLine(bytes, (line) => {
      last = line;
    });
    if (last === undefined) return;
    return parseCheckpoint(last) ?? "invalid";
  }

  /** Appends and syncs; what could not be written whole is cut back. A torn line of a dead writer is cut first. */
  async append(checkpoint: StoredCheckpoint, mode: SyncMode): Promise<void> {
    const start = this.#wholeBytes();
    try {
      writeFully(this.#fd, Buffer.from(`${JSON.stringify(checkpoint)}\n`), start);
      if (mode === "async") await dataSync(this.#fd);
      else fdatasyncSync(this.#fd);
    } catch (thrown) {
      ftruncateSync(this.#fd, start);
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #wholeBytes(): number {
    const size = fstatSync(this.#fd).size;
    const bytes = Buffer.alloc(Math.min(size, TAIL_READ_BYTES));
    readSync(this.#fd, bytes, 0, bytes.length, size - bytes.length);
    if (bytes.length === 0 || bytes[bytes.length - 1] === 10) return size;
    const whole = size - bytes.length + bytes.lastIndexOf(10) + 1;
    ftruncateSync(this.#fd, whole);
    return whole;
  }
}

/** More than two of the longest checkpoint lines (53 peaks). */
const TAIL_READ_BYTES = 16 * 1024;

/** The newest checkpoint, if there is one. @throws OperonError `audit.checkpoint_invalid` when `key` did not sign it */
export function newestCheckpoint(file: CheckpointFile, key: Signer): StoredCheckpoint | undefined {
  const newest = file.last();
  if (newest === undefined) return undefined;
  if (newest !== "invalid" && isSignedByItsKey(newest)) {
    if (newest.key === Buffer.from(key.publicKey.bytes).toString("hex")) return newest;
  }
  throw new OperonError({
    code: "audit.checkpoint_invalid",
    kind: "data_loss",
    message: "The audit log's newest checkpoint is not signed by this node's key",
    hint: "Run operon audit verify; to go on with a new log, move the audit folder away and keep it",
  });
}
