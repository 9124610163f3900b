// A session multiplexes calls over one channel: requests signed in batches, streams with credit, signed responses.
// It must never hand on a request whose signature, addressee and freshness it has not checked.
// Next: stream.ts for credit, batch.ts for signatures, PROTOCOL.md for the bytes; node/ gives requests a meaning.

import type { Clock } from "../clock.ts";
import { OperonError, toOperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import {
  CALLS_PER_SESSION_MAX,
  ENVELOPE_BYTES_MAX,
  PEER_SILENCE_MAX_MS,
  PING_INTERVAL_MS,
} from "../limits.ts";
import { type RequestBatch, verifyRequests, verifyResponses } from "./batch.ts";
import type { RecordChannel } from "./channel.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeResponse,
  type RequestBody,
  type ResponseBody,
} from "./envelope.ts";
import { leafHash } from "./merkle.ts";
import { decodeMessages, type Message } from "./message.ts";
import { Outbox } from "./outbox.ts";
import type { ReplayGuard } from "./replay.ts";
import { ReceiveHalf, SendHalf, type StreamPort, type WireChunk } from "./stream.ts";

/** Bytes the channel may hold before streams wait for it to drain. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

/** Both halves of a call's stream, and whether the other end gave up. */
export class CallStream {
  readonly id: number;
  readonly incoming: ReceiveHalf;
  readonly outgoing: SendHalf;
  readonly #abort = new AbortController();

  constructor(id: number, port: StreamPort) {
    this.id = id;
    this.incoming = new ReceiveHalf(id, port);
    this.outgoing = new SendHalf(id, port);
  }

  /** Aborts when the other end cancelled or the session ended. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends both halves from this side with `failure`. */
  abort(failure: OperonError): void {
    this.incoming.close(failure);
    this.outgoing.close();
    this.#abort.abort(failure);
  }
}

/** Where a request stands in its signed batch, so that it can be proved alone. */
export interface RequestProof {
  readonly batch: RequestBatch;
  /** Leaf hashes of all requests of the batch. */
  readonly leaves: readonly Uint8Array[];
  readonly root: Uint8Array;
  readonly index: number;
}

/** A request whose signature, addressee and freshness hold. */
export interface VerifiedMessage {
  readonly bytes: Uint8Array;
  readonly body: RequestBody;
  readonly signer: PublicKey;
  readonly proof: RequestProof;
  readonly stream: CallStream;
  /** Ends the call; later calls are ignored. */
  respond(response: ResponseParts): void;
}

/** A response before it is tied to its request. */
export type ResponseParts =
  | { readonly ok: true; readonly output: unknown; readonly receipt?: ResponseBody["receipt"] }
  | {
      readonly ok: false;
      readonly error: ResponseErrorParts;
      readonly receipt?: ResponseBody["receipt"];
    };
type ResponseErrorParts = Extract<ResponseBody, { ok: false }>["error"];

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

/** What a session tells its owner. A throw from any of these closes the session. */
export interface SessionEvents {
  request(message: VerifiedMessage): void;
  local?(message: LocalMessage): void;
  relay?(message: RelayMessage): void;
  hello?(hello: { readonly software: string; readonly time_ms: number }): void;
  /** The peer asks for no new calls. */
  goaway?(message: string): void;
  closed(reason: string): void;
}

/** A call this side made. */
export interface SentCall {
  readonly stream: CallStream;
  /** The response's bytes as they came, checked against the request; rejects when the session ends first. */
  readonly response: Promise<Uint8Array>;
  cancel(): void;
}

/** What a session is made of. */
export interface SessionOptions {
  readonly channel: RecordChannel;
  /** The side that opened the socket uses odd stream ids. */
  readonly role: "initiator" | "responder";
  readonly key: KeyPair;
  /** The other end's key, from the handshake; `undefined` on a local socket. */
  readonly peer: PublicKey | undefined;
  readonly clock: Clock;
  readonly replay: ReplayGuard | undefined;
  readonly events: SessionEvents;
  readonly software: string;
  /** Whether responses' signatures are checked as they arrive; receipts may always be checked later. */
  readonly verifyResponses?: boolean;
}

interface PendingCall {
  readonly stream: CallStream;
  readonly digest: Uint8Array;
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: OperonError) => void;
}

/** One socket's worth of calls, in both directions. */
export class Session {
  readonly peer: PublicKey | undefined;
  /** Resolves when the session is over. */
  readonly ended: Promise<void>;
  readonly #options: SessionOptions;
  readonly #channel: RecordChannel;
  readonly #sent = new Map<number, PendingCall>();
  readonly #served = new Map<number, CallStream>();
  readonly #port: StreamPort;
  readonly #outbox: Outbox;
  #resolveEnded: () => void = () => {};
  #nextId: number;
  #lastPeerId = 0;
  #isClosed = false;
  #isPeerGoing = false;
  #drainWaiters: (() => void)[] = [];
  #lastHeardMs: number;
  #timer: Disposable | undefined;
  #pings = new Map<bigint, (roundTripMs: number) => void>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#channel = options.channel;
    this.#nextId = options.role === "initiator" ? 1 : 2;
    this.#lastHeardMs = options.clock.monotonicMs();
    this.#outbox = new Outbox(options);
    this.#port = this.#makePort();
    this.#channel.events = {
      record: (plaintext) => this.#record(plaintext),
      drain: () => this.#drained(),
      closed: (reason) => this.#ended(reason),
    };
    if (options.peer) this.#watchSilence();
    this.#outbox.message({
      type: "hello",
      protocol: 1,
      time_ms: options.clock.nowMs(),
      software: options.software,
    });
  }

  /** Whether calls can be made: open, and the peer has not said goodbye. */
  get isUsable(): boolean {
    return !this.#isClosed && !this.#isPeerGoing;
  }

  /** Calls under way, both directions. */
  get liveCalls(): number {
    return this.#sent.size + this.#served.size;
  }

  /** Calls being served for the peer. */
  get servedCalls(): number {
    return this.#served.size;
  }

  /** Signs and sends a request; all requests of one turn share a signature. @throws OperonError `wire.session_closed`, `wire.request_too_large` */
  call(request: Uint8Array): SentCall {
    this.#assertUsable(request);
    const call = this.#open(leafHash(request));
    this.#outbox.request(call.stream.id, request);
    return call;
  }

  /** Passes on requests that another key signed, unchanged. Same errors as {@link call}. */
  forward(batch: RequestBatch, requests: readonly Uint8Array[]): SentCall[] {
    const { calls, items } = this.#openAll(requests);
    this.#outbox.message({ type: "requests", batch, requests: items });
    return calls;
  }

  /** Local sockets: asks the daemon to call `node` with the home's key. Same errors as {@link call}. */
  callLocal(node: string, request: Uint8Array): SentCall {
    this.#assertUsable(request);
    const call = this.#open(leafHash(request));
    this.#outbox.message({ type: "call", stream_id: call.stream.id, node, bytes: request });
    return call;
  }

  /** Local sockets: asks the daemon to pass on requests signed by the caller's own key. Same errors as {@link call}. */
  relay(node: string, batch: RequestBatch, requests: readonly Uint8Array[]): SentCall[] {
    const { calls, items } = this.#openAll(requests);
    this.#outbox.message({ type: "relay", node, batch, requests: items });
    return calls;
  }

  /** Round trip of a protocol ping (ms). */
  ping(): Promise<number> {
    const token = BigInt(Math.floor(Math.random() * Number.MAX_SAFE_INTEGER));
    const startMs = this.#options.clock.monotonicMs();
    return new Promise((resolve) => {
      this.#pings.set(token, () => resolve(this.#options.clock.monotonicMs() - startMs));
      this.#outbox.message({ type: "ping", token });
    });
  }

  /** Tells the peer that no new calls will be taken; live ones go on. */
  goaway(message: string): void {
    if (!this.#isClosed) this.#outbox.message({ type: "goaway", reason: 0, message });
  }

  /** Ends the session; live calls fail with `wire.session_closed`. */
  close(reason = ""): void {
    if (this.#isClosed) return;
    this.#outbox.flush();
    this.#channel.close(reason);
    this.#ended(reason);
  }

  #assertUsable(request: Uint8Array): void {
    if (!this.isUsable)
      throw sessionClosed(
        this.#isPeerGoing ? "the peer is shutting down" : "the connection is closed",
      );
    if (request.byteLength > ENVELOPE_BYTES_MAX) {
      throw new OperonError({
        code: "wire.request_too_large",
        kind: "invalid_argument",
        message: `The request has ${request.byteLength} bytes, more than ${ENVELOPE_BYTES_MAX}`,
        hint: "Send bulk data as the call's stream",
      });
    }
    if (this.#sent.size >= CALLS_PER_SESSION_MAX) {
      throw new OperonError({
        code: "wire.too_many_calls",
        kind: "resource_exhausted",
        message: `${CALLS_PER_SESSION_MAX} calls to this peer are under way already`,
        hint: "Wait for some of them to end",
      });
    }
  }

  #openAll(requests: readonly Uint8Array[]): {
    calls: SentCall[];
    items: { stream_id: number; bytes: Uint8Array }[];
  } {
    for (const bytes of requests) this.#assertUsable(bytes);
    const calls = requests.map((bytes) => this.#open(leafHash(bytes)));
    return {
      calls,
      items: calls.map((call, index) => ({
        stream_id: call.stream.id,
        bytes: requests[index] as Uint8Array,
      })),
    };
  }

  #open(digest: Uint8Array): SentCall {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new CallStream(id, this.#port);
    const response = new Promise<Uint8Array>((resolve, reject) => {
      this.#sent.set(id, { stream, digest, resolve, reject });
    });
    response.catch(() => {});
    const cancel = () => {
      const pending = this.#sent.get(id);
      if (!pending) return;
      this.#sent.delete(id);
      this.#outbox.message({ type: "cancel", stream_id: id, reason: 0 });
      const failure = new OperonError({
        code: "node.cancelled",
        kind: "cancelled",
        message: "The call was cancelled",
      });
      stream.abort(failure);
      pending.reject(failure);
    };
    return { stream, response, cancel };
  }

  #makePort(): StreamPort {
    const isBusy = () => this.#sent.size + this.#served.size > 1;
    return {
      sendChunk: (id, chunk) => {
        if (this.#sent.has(id) || this.#served.has(id))
          this.#outbox.message({ type: "chunk", stream_id: id, ...chunk });
      },
      sendCredit: (id, bytes) => {
        if (this.#sent.has(id) || this.#served.has(id))
          this.#outbox.message({ type: "credit", stream_id: id, bytes });
      },
      ready: () => {
        if (
          this.#channel.bufferedBytes + this.#outbox.queuedBytes < HIGH_WATER_BYTES ||
          this.#isClosed
        )
          return undefined;
        return new Promise((resolve) => this.#drainWaiters.push(resolve));
      },
      get busy() {
        return isBusy();
      },
    };
  }

  #record(plaintext: Uint8Array): void {
    this.#lastHeardMs = this.#options.clock.monotonicMs();
    for (const message of decodeMessages(plaintext, { local: this.peer === undefined })) {
      if (this.#isClosed) return;
      this.#message(message, plaintext.byteLength);
    }
  }

  #message(message: Message, recordBytes: number): void {
    switch (message.type) {
      case "hello":
        return this.#options.events.hello?.(message);
      case "requests":
        return this.#requestsArrived(message);
      case "responses":
        if (this.#options.verifyResponses)
          verifyResponses(
            message.batch,
            message.responses.map((r) => r.bytes),
          );
        for (const response of message.responses)
          this.#responseArrived(response.stream_id, response.bytes);
        return;
      case "results":
        for (const result of message.results) this.#responseArrived(result.stream_id, result.bytes);
        return;
      case "chunk": {
        // A small chunk must not keep a large record alive.
        const payload =
          message.payload.byteLength * 2 < recordBytes ? message.payload.slice() : message.payload;
        return this.#stream(message.stream_id)?.incoming.push({
          ...message,
          payload,
        } as WireChunk & { end: boolean; position: number });
      }
      case "credit":
        return this.#stream(message.stream_id)?.outgoing.addCredit(message.bytes);
      case "cancel":
        return this.#cancelled(message.stream_id);
      case "ping":
        return this.#outbox.message({ type: "pong", token: message.token });
      case "pong":
        this.#pings.get(message.token)?.(0);
        this.#pings.delete(message.token);
        return;
      case "goaway":
        this.#isPeerGoing = true;
        return this.#options.events.goaway?.(message.message);
      case "call":
        return this.#localArrived(message);
      case "relay":
        return this.#relayArrived(message);
    }
  }

  #stream(id: number): CallStream | undefined {
    return this.#sent.get(id)?.stream ?? this.#served.get(id);
  }

  #accept(id: number): CallStream {
    const isPeers = id % 2 === (this.#options.role === "initiator" ? 0 : 1);
    if (!isPeers || id <= this.#lastPeerId) {
      throw new OperonError({
        code: "wire.stream_id_invalid",
        kind: "internal",
        message: "A peer used a stream id twice or out of order",
      });
    }
    this.#lastPeerId = id;
    if (this.#served.size >= CALLS_PER_SESSION_MAX) {
      throw new OperonError({
        code: "wire.too_many_calls",
        kind: "resource_exhausted",
        message: "A peer keeps too many calls open",
      });
    }
    const stream = new CallStream(id, this.#port);
    this.#served.set(id, stream);
    return stream;
  }

  #requestsArrived(message: Extract<Message, { type: "requests" }>): void {
    const { batch } = message;
    const me = this.#options.key.publicKey;
    if (!this.peer || !this.#options.replay) {
      throw new OperonError({
        code: "wire.message_invalid",
        kind: "internal",
        message: "Signed requests do not belong here",
      });
    }
    if (!sameBytes(batch.addressee, me.bytes)) {
      throw new OperonError({
        code: "wire.not_addressee",
        kind: "unauthenticated",
        message: "A request was signed for another node",
        hint: "The endpoint may belong to another node than the caller believes; check operon node list",
      });
    }
    const { leaves, root, signer } = verifyRequests(
      batch,
      message.requests.map((request) => request.bytes),
    );
    let failure: OperonError | undefined;
    try {
      this.#options.replay.accept(batch.signer, batch.batch_id, batch.time_ms);
    } catch (error) {
      failure = toOperonError(error);
    }
    message.requests.forEach((request, index) => {
      const stream = this.#accept(request.stream_id);
      const respond = this.#responder(stream, leaves[index] as Uint8Array);
      try {
        if (failure) throw failure;
        const body = decodeRequest(request.bytes);
        this.#options.events.request({
          bytes: request.bytes,
          body,
          signer,
          proof: { batch, leaves, root, index },
          stream,
          respond,
        });
      } catch (error) {
        respond({ ok: false, error: toOperonError(error).toDocument() });
      }
    });
  }

  #responder(stream: CallStream, digest: Uint8Array): (response: ResponseParts) => void {
    return (parts) => {
      if (this.#isClosed || this.#served.get(stream.id) !== stream) return;
      let bytes = encodeResponse({ ...parts, request: digest } as ResponseBody);
      if (bytes.byteLength > ENVELOPE_BYTES_MAX)
        bytes = encodeResponse({ request: digest, ok: false, error: OUTPUT_TOO_LARGE });
      this.#respond(stream, bytes);
    };
  }

  #respond(stream: CallStream, bytes: Uint8Array): void {
    if (this.#isClosed || this.#served.get(stream.id) !== stream) return;
    this.#served.delete(stream.id);
    stream.incoming.close();
    stream.outgoing.close();
    this.#outbox.response(stream.id, bytes);
  }

  #localArrived(message: Extract<Message, { type: "call" }>): void {
    const local = this.#options.events.local;
    if (this.peer || !local)
      throw new OperonError({
        code: "wire.message_invalid",
        kind: "internal",
        message: "A local message came over the network",
      });
    const stream = this.#accept(message.stream_id);
    local({
      node: message.node,
      bytes: message.bytes,
      stream,
      respond: (bytes) => this.#respond(stream, bytes),
    });
  }

  #relayArrived(message: Extract<Message, { type: "relay" }>): void {
    const relay = this.#options.events.relay;
    if (this.peer || !relay)
      throw new OperonError({
        code: "wire.message_invalid",
        kind: "internal",
        message: "A local message came over the network",
      });
    const requests = message.requests.map((request) => {
      const stream = this.#accept(request.stream_id);
      return {
        bytes: request.bytes,
        stream,
        respond: (bytes: Uint8Array) => this.#respond(stream, bytes),
      };
    });
    relay({ node: message.node, batch: message.batch, requests });
  }

  #responseArrived(id: number, bytes: Uint8Array): void {
    const pending = this.#sent.get(id);
    // The answer to a call that was cancelled meanwhile.
    if (!pending) return;
    const { request } = decodeResponse(bytes);
    if (!sameBytes(request, pending.digest)) {
      throw new OperonError({
        code: "wire.response_mismatch",
        kind: "data_loss",
        message: "A peer answered another request than the one asked",
      });
    }
    this.#sent.delete(id);
    pending.stream.incoming.close();
    pending.stream.outgoing.close();
    pending.resolve(bytes);
  }

  #cancelled(id: number): void {
    const stream = this.#served.get(id);
    if (!stream) return;
    this.#served.delete(id);
    stream.abort(
      new OperonError({
        code: "node.cancelled",
        kind: "cancelled",
        message: "The caller cancelled the call",
      }),
    );
  }

  #drained(): void {
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }

  #watchSilence(): void {
    const { clock } = this.#options;
    this.#timer = clock.after(PING_INTERVAL_MS, () => {
      if (this.#isClosed) return;
      const silenceMs = clock.monotonicMs() - this.#lastHeardMs;
      if (silenceMs >= PEER_SILENCE_MAX_MS) return this.close("wire.peer_silent");
      if (silenceMs >= PING_INTERVAL_MS) this.#outbox.message({ type: "ping", token: 0n });
      this.#watchSilence();
    });
  }

  #ended(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outbox.close();
    this.#timer?.[Symbol.dispose]();
    const failure = sessionClosed(reason === "" ? "the connection was closed" : reason);
    for (const stream of this.#served.values()) stream.abort(failure);
    for (const pending of this.#sent.values()) {
      pending.stream.abort(failure);
      pending.reject(failure);
    }
    this.#served.clear();
    this.#sent.clear();
    this.#pings.clear();
    this.#drained();
    this.#resolveEnded();
    this.#options.events.closed(reason);
  }
}

const OUTPUT_TOO_LARGE = new OperonError({
  code: "node.output_too_large",
  kind: "resource_exhausted",
  message: "The operation's output does not fit one response",
  hint: "Ask for less at once",
}).toDocument();

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0;
}

function sessionClosed(why: string): OperonError {
  return new OperonError({
    code: "wire.session_closed",
    kind: "unavailable",
    message: `The session with the peer ended: ${why}`,
    hint: "Try again; operon node ping NODE shows whether the peer is reachable",
  });
}
