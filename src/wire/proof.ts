// Checks that a key asked for what an audit entry says, from the entry alone (PROTOCOL.md#checking-one-audit-entry).
// It must never need the node that wrote the entry, nor believe anything in it that the signature does not cover.
// Next: batch.ts makes the signed text; audit/proof_check.ts walks a log with this.

import { PublicKey } from "../identity/key.ts";
import { BATCH_REQUESTS_MAX } from "../limits.ts";
import { requestsText } from "./batch.ts";
import { leafHash, rootFromPath } from "./merkle.ts";

/** What an entry keeps of a signed request; all but the numbers in hex. */
export interface RequestProofDocument {
  /** Leaf hash of the request's bytes. */
  readonly digest: string;
  readonly batch: string;
  readonly time_ms: number;
  readonly count: number;
  readonly index: number;
  readonly root: string;
  readonly path: readonly string[];
  readonly signature: string;
}

/** Who is said to have asked whom; ids as `ed25519:…`. */
export interface ProofParties {
  readonly signer: string;
  readonly addressee: string;
}

/** Why a proof does not hold. */
export type ProofFailure = "malformed" | "path" | "signature" | "request";

/**
 * Checks a proof; `undefined` when it holds.
 * @param request the request's bytes, for whoever kept them: then the proof is of these and no others
 */
export function checkRequestProof(
  proof: RequestProofDocument,
  parties: ProofParties,
  request?: Uint8Array,
): ProofFailure | undefined {
  const signer = keyOf(parties.signer);
  const addressee = keyOf(parties.addressee);
  const parts = partsOf(proof);
  if (!signer || !addressee || !parts) return "malformed";
  const { leaf, path, root } = parts;
  const { count, index, time_ms } = proof;
  const reached = rootFromPath({ leaf, index, count, path });
  if (!reached || Buffer.compare(reached, root) !== 0) return "path";
  const head = {
    signer: signer.bytes,
    addressee: addressee.bytes,
    batch_id: parts.batch,
    time_ms,
    count,
  };
  if (!signer.verify(requestsText(head, root), parts.signature)) return "signature";
  if (request && Buffer.compare(leafHash(request), leaf) !== 0) return "request";
  return undefined;
}

function partsOf(proof: RequestProofDocument) {
  const { count, index, time_ms } = proof;
  const isCounted =
    isInteger(count, BATCH_REQUESTS_MAX) && isInteger(index, count - 1) && isInteger(time_ms);
  const leaf = fromHex(proof.digest, 32);
  const root = fromHex(proof.root, 32);
  const batch = fromHex(proof.batch, 16);
  const signature = fromHex(proof.signature, 64);
  if (!isCounted || !leaf || !root || !batch || !signature) return undefined;
  if (!Array.isArray(proof.path) || proof.path.length > PATH_LENGTH_MAX) return undefined;
  const path = proof.path.map((hash) => fromHex(hash, 32)).filter((hash) => hash !== undefined);
  return path.length === proof.path.length ? { leaf, root, batch, signature, path } : undefined;
}

/** Levels of a tree over as many requests as a batch may have. */
const PATH_LENGTH_MAX = Math.ceil(Math.log2(BATCH_REQUESTS_MAX));

function isInteger(value: unknown, most = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function fromHex(text: unknown, bytes: number): Uint8Array | undefined {
  if (typeof text !== "string" || text.length !== 2 * bytes) return undefined;
  return /^[0-9a-f]*$/.test(text) ? Uint8Array.fromHex(text) : undefined;
}

/** Keys seen in proofs: decoding one costs more than checking a short path. */
const keys = new Map<string, PublicKey>();
const KEYS_MAX = 1_000;

function keyOf(id: string): PublicKey | undefined {
  let key = keys.get(id);
  if (key) return key;
  try {
    key = PublicKey.parse(id);
  } catch {
    return undefined;
  }
  if (keys.size >= KEYS_MAX) keys.clear();
  keys.set(id, key);
  return key;
}
