// A session multiplexes calls over one channel: requests signed in batches, streams with credit, signed responses.
// It must never hand on a request whose signature, addressee and freshness it has not checked.
// Next: sent_calls.ts and served_calls.ts for the two directions, stream.ts for credit, PROTOCOL.md for the bytes.

import type { Clock } from "../clock.ts";
import { type OperonError, toOperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import {
  CALLS_PER_SESSION_MAX,
  CREDIT_BYTES_INITIAL,
  CREDIT_BYTES_WINDOW,
  ENVELOPE_BYTES_MAX,
  RECORD_BYTES_MAX,
} from "../limits.ts";
import { type RequestBatch, verifyRequests } from "./batch.ts";
import type { CallStream } from "./call_stream.ts";
import type { RecordChannel } from "./channel.ts";
import { decodeRequest, encodeResponse } from "./envelope.ts";
import { Heartbeat } from "./heartbeat.ts";
import { leafHash } from "./merkle.ts";
import { type BatchItem, decodeMessages, type Message, NAME_BYTES_MAX } from "./message.ts";
import { Outbox } from "./outbox.ts";
import { PROTOCOL_VERSION } from "./protocol_version.ts";
import type { ReplayGuard } from "./replay.ts";
import { SentCalls } from "./sent_calls.ts";
import { ServedCalls, tooManyCalls } from "./served_calls.ts";
import {
  misplaced,
  nameTooLong,
  notAddressee,
  requestTooLarge,
  sessionClosed,
  streamUnknown,
} from "./session_errors.ts";
import type { SentCall, SessionEvents } from "./session_events.ts";
import type { StreamPort, WireChunk } from "./stream.ts";
import { Turn } from "./turn.ts";

/** Bytes the channel may hold before streams wait for it to drain. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/** Unread stream bytes the windows of all calls may add up to, roughly; more calls get smaller windows. */
const CREDIT_BYTES_SHARED = 64 * 1024 * 1024;
/** Pings one record may hold: answers must not cost more memory than questions. */
const PINGS_PER_RECORD_MAX = 16;
/** Bytes of requests that fit a record with their headers. */
const FORWARD_BYTES_MAX = RECORD_BYTES_MAX - 4096;

/** What a session is made of. */
export interface SessionOptions {
  readonly channel: RecordChannel;
  /** The side that opened the socket uses odd stream ids. */
  readonly role: "initiator" | "responder";
  readonly key: KeyPair;
  /** The other end's key, from the handshake; `undefined` on a local socket. */
  readonly peer: PublicKey | undefined;
  readonly clock: Clock;
  /** Without it no signed requests are taken. */
  readonly replay: Pick<ReplayGuard, "accept"> | undefined;
  readonly events: SessionEvents;
  readonly software: string;
}

/** One socket's worth of calls, in both directions. */
export class Session {
  readonly peer: PublicKey | undefined;
  /** Resolves when the session is over. */
  readonly ended: Promise<void>;
  readonly #options: SessionOptions;
  readonly #channel: RecordChannel;
  readonly #outbox: Outbox;
  readonly #sent: SentCalls;
  readonly #served: ServedCalls;
  #resolveEnded: () => void = () => {};
  #isClosed = false;
  #isPeerGoing = false;
  #isGreeted = false;
  #drainWaiters: (() => void)[] = [];
  readonly #turn = new Turn();
  readonly #heartbeat: Heartbeat;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#channel = options.channel;
    this.#outbox = new Outbox(options);
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      isWatching: options.peer !== undefined,
      ping: (token) => this.#outbox.message({ type: "ping", token }),
      silent: () => this.close("wire.peer_silent"),
    });
    const calls = { port: this.#makePort(), outbox: this.#outbox };
    const isInitiator = options.role === "initiator";
    this.#sent = new SentCalls({ ...calls, firstId: isInitiator ? 1 : 2 });
    this.#served = new ServedCalls({ ...calls, firstId: isInitiator ? 2 : 1 });
    this.#channel.events = {
      record: (plaintext) => this.#record(plaintext),
      drain: () => this.#drained(),
      closed: (reason) => this.#ended(reason),
    };
    this.#outbox.message({
      type: "hello",
      protocol: PROTOCOL_VERSION,
      time_ms: options.clock.nowMs(),
      software: options.software,
    });
  }

  /** Whether calls can be made: open, and the peer has not said goodbye. */
  get isUsable(): boolean {
    return !this.#isClosed && !this.#isPeerGoing && this.#sent.canOpen;
  }

  /** Calls under way, both directions. */
  get liveCalls(): number {
    return this.#sent.size + this.#served.size;
  }

  /** Calls being served for the peer. */
  get servedCalls(): number {
    return this.#served.size;
  }

  /**
   * Signs and sends a request; all requests of one turn share a signature.
   * @throws OperonError `wire.session_closed`, `wire.request_too_large`, `wire.too_many_calls`
   */
  call(request: Uint8Array): SentCall {
    this.#assertUsable([request]);
    const call = this.#sent.open(leafHash(request));
    this.#outbox.request(call.stream.id, request);
    return call;
  }

  /**
   * Passes on requests that another key signed, unchanged, after checking what would otherwise end the session.
   * @throws OperonError those of {@link call}, `wire.not_addressee`, `wire.signature_invalid`
   */
  forward(batch: RequestBatch, requests: readonly Uint8Array[]): SentCall[] {
    if (!this.peer || !sameBytes(batch.addressee, this.peer.bytes)) throw notAddressee();
    verifyRequests(batch, requests);
    const { calls, items } = this.#openAll(requests);
    this.#outbox.message({ type: "requests", batch, requests: items });
    return calls;
  }

  /** Local sockets: asks the daemon to call `node` with the home's key. Same errors as {@link call}. */
  callLocal(node: string, request: Uint8Array): SentCall {
    assertName(node);
    const { calls } = this.#openAll([request]);
    const call = calls[0] as SentCall;
    this.#outbox.message({ type: "call", stream_id: call.stream.id, node, bytes: request });
    return call;
  }

  /** Local sockets: asks the daemon to pass on requests signed by the caller's own key. Same errors as {@link call}. */
  relay(node: string, batch: RequestBatch, requests: readonly Uint8Array[]): SentCall[] {
    assertName(node);
    const { calls, items } = this.#openAll(requests);
    this.#outbox.message({ type: "relay", node, batch, requests: items });
    return calls;
  }

  /** Round trip of a protocol ping (ms); those who ask meanwhile share it. Rejects when the session ends first. */
  ping(): Promise<number> {
    if (this.#isClosed) return Promise.reject(sessionClosed("the connection is closed"));
    return this.#heartbeat.ping();
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

  #assertUsable(requests: readonly Uint8Array[]): void {
    if (!this.isUsable)
      throw sessionClosed(
        this.#isPeerGoing ? "the peer is shutting down" : "the connection is closed",
      );
    let total = 0;
    for (const { byteLength } of requests) {
      if (byteLength > ENVELOPE_BYTES_MAX) throw requestTooLarge(byteLength, ENVELOPE_BYTES_MAX);
      total += byteLength;
    }
    if (total > FORWARD_BYTES_MAX) throw requestTooLarge(total, FORWARD_BYTES_MAX);
    if (this.#sent.size + requests.length > CALLS_PER_SESSION_MAX) throw tooManyCalls();
  }

  #openAll(requests: readonly Uint8Array[]): { calls: SentCall[]; items: BatchItem[] } {
    this.#assertUsable(requests);
    const calls = requests.map((bytes) => this.#sent.open(leafHash(bytes)));
    const items = calls.map((call, index) => ({
      stream_id: call.stream.id,
      bytes: requests[index] as Uint8Array,
    }));
    return { calls, items };
  }

  #makePort(): StreamPort {
    const live = () => this.liveCalls;
    const isOpen = (id: number) => this.#stream(id) !== undefined;
    return {
      sendChunk: (id, chunk) => {
        if (!isOpen(id)) return;
        this.#outbox.message({ type: "chunk", stream_id: id, ...chunk });
        this.#turn.count(chunk.payload.byteLength);
      },
      sendCredit: (id, bytes) => {
        if (isOpen(id)) this.#outbox.message({ type: "credit", stream_id: id, bytes });
      },
      ready: () => {
        if (this.#isClosed) return undefined;
        const waitingBytes = this.#channel.bufferedBytes + this.#outbox.queuedBytes;
        if (waitingBytes < HIGH_WATER_BYTES) return this.#turn.over;
        return new Promise((resolve) => this.#drainWaiters.push(resolve));
      },
      get busy() {
        return live() > 1;
      },
      get windowBytes() {
        const share = Math.floor(CREDIT_BYTES_SHARED / Math.max(1, live()));
        return Math.max(CREDIT_BYTES_INITIAL, Math.min(CREDIT_BYTES_WINDOW, share));
      },
    };
  }

  #record(plaintext: Uint8Array): void {
    this.#heartbeat.heard();
    let pings = 0;
    for (const message of decodeMessages(plaintext, { local: this.peer === undefined })) {
      if (this.#isClosed) return;
      if (message.type === "ping" && ++pings > PINGS_PER_RECORD_MAX)
        throw misplaced("A peer sent too many pings at once");
      this.#message(message, plaintext.byteLength);
    }
  }

  #message(message: Message, recordBytes: number): void {
    switch (message.type) {
      case "hello":
        if (!this.#isGreeted) this.#options.events.hello?.(message);
        this.#isGreeted = true;
        return;
      case "requests":
        return this.#requestsArrived(message);
      case "responses":
        if (!this.peer) throw misplaced("A signed response came over a local socket");
        for (const { stream_id, bytes } of message.responses)
          this.#responseArrived(stream_id, bytes);
        return;
      case "results":
        for (const { stream_id, bytes } of message.results) this.#responseArrived(stream_id, bytes);
        return;
      case "chunk":
        return this.#chunkArrived(message, recordBytes);
      case "credit":
        return this.#knownStream(message.stream_id)?.outgoing.addCredit(message.bytes);
      case "cancel":
        this.#knownStream(message.stream_id);
        return this.#served.cancelled(message.stream_id);
      case "ping":
        return this.#outbox.message({ type: "pong", token: message.token });
      case "pong":
        return this.#heartbeat.answered(message.token);
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
    return this.#sent.find(id) ?? this.#served.find(id);
  }

  /** A live stream, or none when it is over. @throws OperonError `wire.stream_unknown` when there never was one */
  #knownStream(id: number): CallStream | undefined {
    const stream = this.#stream(id);
    if (stream || this.#sent.hasOpened(id) || this.#served.hasOpened(id)) return stream;
    throw streamUnknown();
  }

  #chunkArrived(message: Extract<Message, { type: "chunk" }>, recordBytes: number): void {
    const stream = this.#knownStream(message.stream_id);
    if (!stream) return;
    // A small chunk must not keep a large record alive.
    const isSmall = message.payload.byteLength * 2 < recordBytes;
    const payload = isSmall ? message.payload.slice() : message.payload;
    const { channel, values, end, position } = message;
    const chunk: WireChunk = { channel, values, payload };
    stream.incoming.push(chunk, { end, position });
  }

  #requestsArrived(message: Extract<Message, { type: "requests" }>): void {
    const { batch, requests } = message;
    const { key, replay, events } = this.#options;
    if (!this.peer || !replay) throw misplaced("Signed requests are not taken here");
    if (!sameBytes(batch.addressee, key.publicKey.bytes)) throw notAddressee();
    const { signer, tree } = verifyRequests(
      batch,
      requests.map((request) => request.bytes),
    );
    const failure = refusalOf(() => replay.accept(batch.signer, batch.batch_id, batch.time_ms));
    requests.forEach(({ stream_id, bytes }, index) => {
      const stream = this.#served.accept(stream_id);
      const digest = tree.leaf(index);
      const proof = { batch, tree, index };
      try {
        if (failure) throw failure;
        if (this.#served.isCrowded) throw tooManyCalls();
        events.request({
          bytes,
          body: decodeRequest(bytes),
          signer,
          proof,
          stream,
          respond: (parts) => this.#served.respond(stream, digest, parts),
        });
      } catch (error) {
        const document = toOperonError(error).toDocument();
        this.#served.respond(stream, digest, { ok: false, error: document });
      }
    });
  }

  #localArrived({ stream_id, node, bytes }: Extract<Message, { type: "call" }>): void {
    const { local } = this.#options.events;
    if (!local) throw misplaced("Local calls are not taken here");
    const call = this.#acceptLocal(stream_id, bytes);
    if (call) local({ node, ...call });
  }

  #relayArrived(message: Extract<Message, { type: "relay" }>): void {
    const { relay } = this.#options.events;
    if (!relay) throw misplaced("Local calls are not taken here");
    const calls = message.requests.map(({ stream_id, bytes }) =>
      this.#acceptLocal(stream_id, bytes),
    );
    const requests = calls.filter((call) => call !== undefined);
    // A batch is passed on whole or not at all: its signature covers all of it.
    if (requests.length === calls.length)
      return relay({ node: message.node, batch: message.batch, requests });
    for (const call of requests) call.respond(failedResponse(call.bytes, tooManyCalls()));
  }

  #acceptLocal(
    id: number,
    bytes: Uint8Array,
  ):
    | { bytes: Uint8Array; stream: CallStream; respond: (response: Uint8Array) => void }
    | undefined {
    const stream = this.#served.accept(id);
    const respond = (response: Uint8Array) => this.#served.respondBytes(stream, response);
    if (!this.#served.isCrowded) return { bytes, stream, respond };
    respond(failedResponse(bytes, tooManyCalls()));
    return undefined;
  }

  #responseArrived(id: number, bytes: Uint8Array): void {
    if (!this.#sent.hasOpened(id)) this.#knownStream(id);
    this.#sent.answered(id, bytes);
  }

  #drained(): void {
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }

  #ended(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outbox.close();
    const failure = sessionClosed(reason === "" ? "the connection was closed" : reason);
    this.#served.end(failure);
    this.#sent.end(failure);
    this.#heartbeat.end(failure);
    this.#drained();
    this.#resolveEnded();
    this.#options.events.closed(reason);
  }
}

function refusalOf(check: () => void): OperonError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return toOperonError(error);
  }
}

function failedResponse(request: Uint8Array, error: OperonError): Uint8Array {
  return encodeResponse({ request: leafHash(request), ok: false, error: error.toDocument() });
}

function assertName(node: string): void {
  if (Buffer.byteLength(node) > NAME_BYTES_MAX) throw nameTooLong();
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
