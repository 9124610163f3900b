// The calls this side made on a session: stream ids, responses tied to their requests, cancel.
// It must never give a call the answer to another request, nor use a stream id twice.
// Next: served_calls.ts is the other direction; session.ts owns both.

import { OperonError } from "../error.ts";
import { CallStream } from "./call_stream.ts";
import { decodeResponse, type ResponseBody } from "./envelope.ts";
import type { Outbox } from "./outbox.ts";
import type { ReceivedResponse, SentCall } from "./session_events.ts";
import type { StreamPort } from "./stream.ts";

/** Stream ids are u32; a session that used them up takes no new calls. */
const STREAM_ID_MAX = 2 ** 32 - 1;

interface PendingCall {
  readonly stream: CallStream;
  readonly digest: Uint8Array;
  readonly resolve: (response: ReceivedResponse) => void;
  readonly reject: (error: OperonError) => void;
}

/** What the table of calls needs. */
export interface SentCallsOptions {
  /** 1 for the side that opened the socket, 2 for the other. */
  readonly firstId: 1 | 2;
  readonly port: StreamPort;
  readonly outbox: Outbox;
}

/** Calls under way, by stream id. */
export class SentCalls {
  readonly #options: SentCallsOptions;
  readonly #pending = new Map<number, PendingCall>();
  #nextId: number;

  constructor(options: SentCallsOptions) {
    this.#options = options;
    this.#nextId = options.firstId;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Whether there is an id left for another call. */
  get canOpen(): boolean {
    return this.#nextId <= STREAM_ID_MAX;
  }

  /** The stream of a call under way. */
  find(id: number): CallStream | undefined {
    return this.#pending.get(id)?.stream;
  }

  /** Whether this side ever opened the stream. */
  hasOpened(id: number): boolean {
    return id % 2 === this.#options.firstId % 2 && id < this.#nextId && id > 0;
  }

  /** Opens a stream for a request with this leaf hash; the caller sends the request. */
  open(digest: Uint8Array): SentCall {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new CallStream(id, this.#options.port);
    const response = new Promise<ReceivedResponse>((resolve, reject) => {
      this.#pending.set(id, { stream, digest, resolve, reject });
    });
    response.catch(() => {});
    return { stream, response, cancel: () => this.#cancel(id) };
  }

  /**
   * Takes a response. One that is malformed fails its call only.
   * @throws OperonError `wire.response_mismatch` when it answers another request
   */
  answered(id: number, bytes: Uint8Array): void {
    const pending = this.#pending.get(id);
    // The answer to a call that was cancelled meanwhile.
    if (!pending) return;
    let body: ResponseBody;
    try {
      body = decodeResponse(bytes);
    } catch (error) {
      this.#pending.delete(id);
      pending.stream.abort(error as OperonError);
      return pending.reject(error as OperonError);
    }
    if (Buffer.compare(body.request, pending.digest) !== 0) throw responseMismatch();
    this.#pending.delete(id);
    pending.stream.finish();
    pending.resolve({ bytes, body });
  }

  /** Fails every call. */
  end(failure: OperonError): void {
    for (const pending of this.#pending.values()) {
      pending.stream.abort(failure);
      pending.reject(failure);
    }
    this.#pending.clear();
  }

  #cancel(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    const { outbox } = this.#options;
    outbox.message({ type: "cancel", stream_id: id, reason: 0 });
    // A record carries its requests first: what is called from now on must not arrive before this cancel, lest the
    // peer counts one call too many.
    outbox.flush();
    const failure = new OperonError({
      code: "node.cancelled",
      kind: "cancelled",
      message: "The call was cancelled",
    });
    pending.stream.abort(failure);
    pending.reject(failure);
  }
}

function responseMismatch(): OperonError {
  return new OperonError({
    code: "wire.response_mismatch",
    kind: "data_loss",
    message: "A peer answered another request than the one asked",
    hint: "The peer's software breaks the protocol; compare versions with operon node info",
  });
}
