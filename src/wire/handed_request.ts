// A signed request in a text that somebody else may hand on: the node it is for decides about the signer and notes who
// handed it on. It must never be good for more than the one request, nor twice: the addressee's replay guard sees to that.
// Next: node/outbound.ts makes and sends them; PROTOCOL.md#handing-on says the bytes.

import { OperonError } from "../error.ts";
import { type KeyPair, PublicKey } from "../identity/key.ts";
import { type RequestBatch, signRequests, verifyRequests } from "./batch.ts";
import { decodeRequest } from "./envelope.ts";
import { decodeMessages, encodeMessage } from "./message.ts";

/** A request somebody signed for somebody else. */
export interface HandedRequest {
  readonly batch: RequestBatch;
  readonly request: Uint8Array;
  readonly signer: PublicKey;
  readonly addressee: PublicKey;
  readonly operation: string;
}

/** Signs a request for its addressee, for another to hand on. Returns base64url without padding. */
export function signHandedRequest(parts: {
  readonly key: KeyPair;
  readonly addressee: PublicKey;
  readonly timeMs: number;
  readonly request: Uint8Array;
}): string {
  const { request, ...signing } = parts;
  const batchId = crypto.getRandomValues(new Uint8Array(16));
  const batch = signRequests({ ...signing, batchId, requests: [request] });
  const requests = [{ stream_id: 0, bytes: request }];
  return Buffer.concat(encodeMessage({ type: "requests", batch, requests })).toString("base64url");
}

/**
 * Reads a request to hand on and checks its signature; whether it is fresh, only its addressee can tell.
 * @throws OperonError `wire.*`
 */
export function readHandedRequest(text: string): HandedRequest {
  const [message, ...more] = decodeMessages(Buffer.from(text, "base64url"));
  const item = message?.type === "requests" ? message.requests[0] : undefined;
  if (more.length > 0 || message?.type !== "requests" || message.batch.count !== 1 || !item)
    throw notOneRequest();
  const { batch } = message;
  const { signer } = verifyRequests(batch, [item.bytes]);
  return {
    batch,
    request: item.bytes,
    signer,
    addressee: PublicKey.fromBytes(batch.addressee),
    operation: decodeRequest(item.bytes).operation,
  };
}

function notOneRequest(): OperonError {
  return new OperonError({
    code: "wire.message_invalid",
    kind: "invalid_argument",
    message: "What is to be handed on is not one signed request",
    hint: "The caller's software breaks the protocol; compare versions with operon node info",
  });
}
