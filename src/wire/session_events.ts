// What passes between a session and its owner: verified requests, calls of local callers, calls this side made.
// It must never hold behaviour; it says what is promised.
// Next: session.ts keeps these promises; node/ is the owner.

import type { PublicKey } from "../identity/key.ts";
import type { RequestBatch } from "./batch.ts";
import type { CallStream } from "./call_stream.ts";
import type { RequestBody, ResponseBody } from "./envelope.ts";
import type { MerkleTree } from "./merkle.ts";

/** Where a request stands in its signed batch, so that it can be proved alone. */
export interface RequestProof {
  readonly batch: RequestBatch;
  /** Over all requests of the batch. */
  readonly tree: MerkleTree;
  readonly index: number;
}

/** A request whose signature, addressee and freshness hold. */
export interface VerifiedMessage {
  readonly bytes: Uint8Array;
  readonly body: RequestBody;
  readonly signer: PublicKey;
  readonly proof: RequestProof;
  readonly stream: CallStream;
  /** Ends the call; later calls are ignored. Must be called once the work is over, also after a cancel. */
  respond(response: ResponseParts): void;
}

/** A response before it is tied to its request. */
export type ResponseParts =
  | { readonly ok: true; readonly output: unknown; readonly receipt?: ResponseBody["receipt"] }
  | {
      readonly ok: false;
      readonly error: Extract<ResponseBody, { ok: false }>["error"];
      readonly receipt?: ResponseBody["receipt"];
    };

/** A request as a local caller hands it to its daemon: unsigned, for a node by name. */
export interface LocalMessage {
  readonly node: string;
  readonly bytes: Uint8Array;
  readonly stream: CallStream;
  respond(response: Uint8Array): void;
}

/** Requests signed by a local caller's own key, to be passed on as they are. */
export interface RelayMessage {
  readonly node: string;
  readonly batch: RequestBatch;
  readonly requests: readonly {
    readonly bytes: Uint8Array;
    readonly stream: CallStream;
    respond(response: Uint8Array): void;
  }[];
}

/** What a session tells its owner. A throw from `request` answers that request; from any other it closes the session. */
export interface SessionEvents {
  request(message: VerifiedMessage): void;
  local?(message: LocalMessage): void;
  relay?(message: RelayMessage): void;
  /** At most once. */
  hello?(hello: { readonly software: string; readonly time_ms: number }): void;
  /** The peer asks for no new calls. */
  goaway?(message: string): void;
  /** Exactly once. */
  closed(reason: string): void;
}

/** A response as it came, and what it says. */
export interface ReceivedResponse {
  readonly bytes: Uint8Array;
  readonly body: ResponseBody;
}

/** A call this side made. */
export interface SentCall {
  readonly stream: CallStream;
  /** Checked against the request; rejects when the session ends first. */
  readonly response: Promise<ReceivedResponse>;
  /** Gives up; may be called more than once and after the end. */
  cancel(): void;
}
