// One signature over the Merkle root of everything one side sends in one flush (PROTOCOL.md#batches).
// It must never sign what it did not hash, nor verify a re-encoding: leaves are hashes of the bytes received.
// Next: merkle.ts for roots and paths; session.ts for when batches are made.

import { OperonError } from "../error.ts";
import type { KeyPair } from "../identity/key.ts";
import { PublicKey } from "../identity/key.ts";
import { leafHash, type MerkleTree, merkleRoot, merkleTree } from "./merkle.ts";

const REQUESTS_LABEL = Buffer.from("operon/1 requests\0");
const RESPONSES_LABEL = Buffer.from("operon/1 responses\0");

/** The signed head of a batch of requests. */
export interface RequestBatch {
  readonly signer: Uint8Array;
  readonly addressee: Uint8Array;
  /** 16 random bytes. */
  readonly batch_id: Uint8Array;
  readonly time_ms: number;
  readonly count: number;
  readonly signature: Uint8Array;
}

/** The signed head of a batch of final responses. */
export interface ResponseBatch {
  readonly signer: Uint8Array;
  readonly time_ms: number;
  readonly count: number;
  readonly signature: Uint8Array;
}

/** Signs requests for one addressee. */
export function signRequests(parts: {
  readonly key: KeyPair;
  readonly addressee: PublicKey;
  readonly batchId: Uint8Array;
  readonly timeMs: number;
  readonly requests: readonly Uint8Array[];
}): RequestBatch {
  const head = {
    signer: parts.key.publicKey.bytes,
    addressee: parts.addressee.bytes,
    batch_id: parts.batchId,
    time_ms: parts.timeMs,
    count: parts.requests.length,
  };
  const root = merkleRoot(parts.requests.map(leafHash));
  return { ...head, signature: parts.key.sign(requestsText(head, root)) };
}

/** Checks the signature; gives the signer and the tree of the requests. @throws OperonError `wire.signature_invalid` */
export function verifyRequests(
  batch: RequestBatch,
  requests: readonly Uint8Array[],
): { signer: PublicKey; tree: MerkleTree } {
  if (requests.length !== batch.count || requests.length === 0) throw signatureInvalid();
  const tree = merkleTree(requests.map(leafHash));
  const signer = signerOf(batch.signer);
  if (!signer.verify(requestsText(batch, tree.root), batch.signature)) throw signatureInvalid();
  return { signer, tree };
}

/** Signs final responses; the request digest inside each binds it to its request. */
export function signResponses(parts: {
  readonly key: KeyPair;
  readonly timeMs: number;
  readonly responses: readonly Uint8Array[];
}): ResponseBatch {
  const head = {
    signer: parts.key.publicKey.bytes,
    time_ms: parts.timeMs,
    count: parts.responses.length,
  };
  const root = merkleRoot(parts.responses.map(leafHash));
  return { ...head, signature: parts.key.sign(responsesText(head, root)) };
}

/** Checks the signature over responses. @throws OperonError `wire.signature_invalid` */
export function verifyResponses(batch: ResponseBatch, responses: readonly Uint8Array[]): void {
  if (responses.length !== batch.count || responses.length === 0) throw signatureInvalid();
  const root = merkleRoot(responses.map(leafHash));
  if (!signerOf(batch.signer).verify(responsesText(batch, root), batch.signature))
    throw signatureInvalid();
}

/** What a request batch's signature covers. */
export function requestsText(batch: Omit<RequestBatch, "signature">, root: Uint8Array): Uint8Array {
  return Buffer.concat([
    REQUESTS_LABEL,
    batch.signer,
    batch.addressee,
    batch.batch_id,
    u64(batch.time_ms),
    u16(batch.count),
    root,
  ]);
}

function responsesText(batch: Omit<ResponseBatch, "signature">, root: Uint8Array): Uint8Array {
  return Buffer.concat([RESPONSES_LABEL, batch.signer, u64(batch.time_ms), u16(batch.count), root]);
}

/** Decoded keys by raw bytes: decoding a point and importing a key costs more than looking one up. */
const signers = new Map<string, PublicKey>();
const SIGNERS_MAX = 1000;

function signerOf(bytes: Uint8Array): PublicKey {
  const id = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  let signer = signers.get(id);
  if (signer) return signer;
  try {
    signer = PublicKey.fromBytes(bytes);
  } catch {
    throw signatureInvalid();
  }
  if (signers.size >= SIGNERS_MAX) signers.clear();
  signers.set(id, signer);
  return signer;
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function signatureInvalid(): OperonError {
  return new OperonError({
    code: "wire.signature_invalid",
    kind: "unauthenticated",
    message: "A signature of the peer does not hold",
    hint: "The peer's software is broken, or something between changes the traffic",
  });
}
