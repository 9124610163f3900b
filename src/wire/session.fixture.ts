// A session over channels in memory, with a peer at the other end that may say anything. Tests only.
// It must never be imported by anything but tests.
// Next: session.test.ts and stream.test.ts use it.

import { ManualClock } from "../../test/clock.ts";
import { KeyPair, type PublicKey } from "../identity/key.ts";
import { type RequestBatch, signRequests, signResponses } from "./batch.ts";
import { decodeResponse, encodeRequest, encodeResponse, type ResponseBody } from "./envelope.ts";
import { memoryChannels } from "./memory.ts";
import { leafHash } from "./merkle.ts";
import { decodeMessages, encodeMessage, type Message } from "./message.ts";
import { ReplayGuard } from "./replay.ts";
import { Session } from "./session.ts";
import type { VerifiedMessage } from "./session_events.ts";

/** Keys of the session's side and of its peer. */
export const OWN = KeyPair.fromSeed(new Uint8Array(32).fill(1));
export const PEER = KeyPair.fromSeed(new Uint8Array(32).fill(2));

/** Lets everything happen that needs no time. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A session and the hand-made peer at its other end. */
export class Pair {
  readonly clock = new ManualClock();
  readonly session: Session;
  /** Requests the session took, in order. */
  readonly served: VerifiedMessage[] = [];
  /** What the session told its owner besides. */
  readonly told: string[] = [];
  /** Why the channel was closed; `undefined` while it is open. */
  closeReason: string | undefined;
  /** What the session's channel holds for a peer that does not read (bytes). */
  bufferedBytes = 0;
  readonly #far = memoryChannels();
  readonly #inbox: Message[] = [];

  constructor(options: { role?: "initiator" | "responder"; isLocal?: boolean } = {}) {
    const { role = "responder", isLocal = false } = options;
    const [near, far] = this.#far;
    far.events = {
      record: (plaintext) => {
        this.#inbox.push(...decodeMessages(plaintext, { local: isLocal }));
      },
      drain: () => {},
      closed: (reason) => {
        this.closeReason = reason;
      },
    };
    Object.defineProperty(near, "bufferedBytes", { get: () => this.bufferedBytes });
    this.session = new Session({
      channel: near,
      role,
      key: OWN,
      peer: isLocal ? undefined : PEER.publicKey,
      clock: this.clock,
      replay: new ReplayGuard({ clock: this.clock, notBeforeMs: this.clock.nowMs() }),
      software: "test",
      events: {
        request: (message) => void this.served.push(message),
        hello: ({ software }) => void this.told.push(`hello ${software}`),
        goaway: (message) => void this.told.push(`goaway ${message}`),
        closed: (reason) => void this.told.push(`closed ${reason}`),
      },
    });
  }

  /** The peer has read everything. */
  drain(): void {
    this.bufferedBytes = 0;
    this.#far[0].events?.drain();
  }

  /** Sends messages in one record and lets the session act on them. */
  async send(...messages: Message[]): Promise<void> {
    await this.sendBytes(Buffer.concat(messages.flatMap(encodeMessage)));
  }

  async sendBytes(record: Uint8Array): Promise<void> {
    this.#far[1].send([record]);
    await settle();
  }

  /** What the session sent since the last look, of one type. */
  async received<Type extends Message["type"]>(
    type: Type,
  ): Promise<(Message & { readonly type: Type })[]> {
    await settle();
    const found = this.#inbox.filter((message) => message.type === type);
    for (const message of found) this.#inbox.splice(this.#inbox.indexOf(message), 1);
    return found as (Message & { readonly type: Type })[];
  }

  /** Answers of the session by stream id: `ok`, or the error's code. */
  async answers(): Promise<Record<number, string>> {
    const batches = await this.received("responses");
    const items = batches.flatMap(({ responses }) => responses);
    return Object.fromEntries(
      items.map(({ stream_id, bytes }) => {
        const body = decodeResponse(bytes);
        return [stream_id, body.ok ? "ok" : body.error.code];
      }),
    );
  }

  /** A signed batch that opens these streams. */
  requests(
    ids: readonly number[],
    options: { signer?: KeyPair; addressee?: PublicKey; timeMs?: number; bytes?: Uint8Array } = {},
  ): Extract<Message, { type: "requests" }> {
    const { signer = PEER, addressee = OWN.publicKey, bytes = REQUEST } = options;
    const timeMs = options.timeMs ?? this.clock.nowMs();
    const requests = ids.map(() => bytes);
    const batchId = crypto.getRandomValues(new Uint8Array(16));
    const batch: RequestBatch = signRequests({ key: signer, addressee, batchId, timeMs, requests });
    return {
      type: "requests",
      batch,
      requests: ids.map((stream_id) => ({ stream_id, bytes })),
    };
  }

  /** A signed answer of the peer to a request. */
  response(
    stream_id: number,
    request: Uint8Array,
    body: Partial<ResponseBody> = {},
  ): Extract<Message, { type: "responses" }> {
    const good = body.ok === false ? {} : { ok: true, output: {} };
    const answer = { request: leafHash(request), ...good, ...body } as ResponseBody;
    const bytes = encodeResponse(answer);
    const batch = signResponses({ key: PEER, timeMs: this.clock.nowMs(), responses: [bytes] });
    return { type: "responses", batch, responses: [{ stream_id, bytes }] };
  }
}

/** Some request. */
export const REQUEST = encodeRequest({ operation: "fs.read", input: { path: "/" } });

/** A chunk with everything but what the test is about. */
export function chunk(
  stream_id: number,
  parts: Partial<Extract<Message, { type: "chunk" }>> = {},
): Extract<Message, { type: "chunk" }> {
  const payload = parts.payload ?? new Uint8Array(1);
  return {
    type: "chunk",
    stream_id,
    end: false,
    values: false,
    channel: 0,
    position: 0,
    ...parts,
    payload,
  };
}
