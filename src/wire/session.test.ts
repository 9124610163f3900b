import { describe, expect, test } from "bun:test";
import { KeyPair } from "../identity/key.ts";
import { CALLS_PER_SESSION_MAX, ENVELOPE_BYTES_MAX, FRESHNESS_WINDOW_MS } from "../limits.ts";
import type { Message } from "./message.ts";
import { chunk, OWN, Pair, PEER, REQUEST, settle } from "./session.fixture.ts";

const stranger = KeyPair.fromSeed(new Uint8Array(32).fill(3));

/** What ends a session, by the reason it must give. */
const FATAL: readonly [string, string, (pair: Pair) => readonly Message[]][] = [
  [
    "attack 6: a request for another node",
    "wire.not_addressee",
    (pair) => [pair.requests([1], { addressee: stranger.publicKey })],
  ],
  [
    "attack 6: a request under another one's signature",
    "wire.signature_invalid",
    (pair) => [{ ...pair.requests([1]), requests: [{ stream_id: 1, bytes: OTHER }] }],
  ],
  [
    "attack 6: a signer put in the place of the one who signed",
    "wire.signature_invalid",
    (pair) => {
      const message = pair.requests([1]);
      return [{ ...message, batch: { ...message.batch, signer: stranger.publicKey.bytes } }];
    },
  ],
  [
    "attack 6: a batch with a request taken out",
    "wire.signature_invalid",
    (pair) => {
      const { batch, requests, ...rest } = pair.requests([1, 3]);
      return [{ ...rest, batch: { ...batch, count: 1 }, requests: requests.slice(1) }];
    },
  ],
  [
    "attack 7: a stream id used twice",
    "wire.stream_id_invalid",
    (p) => [p.requests([1]), p.requests([1])],
  ],
  [
    "attack 7: a stream id that goes back",
    "wire.stream_id_invalid",
    (p) => [p.requests([3]), p.requests([1])],
  ],
  ["attack 7: a stream id of the other side", "wire.stream_id_invalid", (p) => [p.requests([2])]],
  ["attack 7: stream id 0", "wire.stream_id_invalid", (p) => [p.requests([0])]],
  ["attack 7: a chunk for a stream never opened", "wire.stream_unknown", () => [chunk(1)]],
  [
    "attack 7: a chunk for a stream this side never opened",
    "wire.stream_unknown",
    () => [chunk(2)],
  ],
  [
    "attack 7: credit for a stream never opened",
    "wire.stream_unknown",
    () => [{ type: "credit", stream_id: 7, bytes: 1 }],
  ],
  [
    "attack 7: a cancel of a stream never opened",
    "wire.stream_unknown",
    () => [{ type: "cancel", stream_id: 7, reason: 0 }],
  ],
  ["attack 7: an answer nobody waits for", "wire.stream_unknown", (p) => [p.response(2, REQUEST)]],
  [
    "attack 7: a chunk that leaves a gap",
    "wire.chunk_unexpected",
    (p) => [p.requests([1]), chunk(1, { position: 1 })],
  ],
  [
    "attack 7: a chunk that comes twice",
    "wire.chunk_unexpected",
    (p) => [p.requests([1]), chunk(1), chunk(1)],
  ],
  [
    "attack 7: a chunk after the end",
    "wire.chunk_unexpected",
    (p) => [p.requests([1]), chunk(1, { end: true }), chunk(1, { position: 1 })],
  ],
  [
    "attack 7: an empty chunk that ends nothing",
    "wire.chunk_unexpected",
    (p) => [p.requests([1]), chunk(1, { payload: new Uint8Array(0) })],
  ],
  [
    "attack 11: credit beyond any use",
    "wire.credit_invalid",
    (p) => [p.requests([1]), { type: "credit", stream_id: 1, bytes: 2 ** 32 - 1 }],
  ],
  [
    "attack 11: pings by the record",
    "wire.message_invalid",
    () => Array.from({ length: 17 }, (): Message => ({ type: "ping", token: 1n })),
  ],
];
const OTHER = new Uint8Array(REQUEST.length).fill(1);

describe("a session ends, with the reason, on", () => {
  for (const [what, reason, make] of FATAL) {
    test(what, async () => {
      const pair = new Pair();
      const other = pair.session.ping();
      other.catch(() => {});
      await pair.send(...make(pair));
      await settle();
      expect(pair.closeReason).toBe(reason);
      expect(pair.told.at(-1)).toBe(`closed ${reason}`);
      expect(other).rejects.toMatchObject({ code: "wire.session_closed" });
      expect(pair.session.isUsable).toBeFalse();
    });
  }

  test("attack 7: an answer to another request than the one asked", async () => {
    const pair = new Pair({ role: "initiator" });
    const call = pair.session.call(REQUEST);
    await settle();
    await pair.send(pair.response(1, OTHER));
    expect(call.response).rejects.toMatchObject({ code: "wire.session_closed" });
    await settle();
    expect(pair.closeReason).toBe("wire.response_mismatch");
  });

  test("attack 7: messages of local sockets, which sign nothing", async () => {
    const pair = new Pair();
    // As bytes, for this type has no place here.
    await pair.sendBytes(Buffer.from([0, 0, 0, 8, 0x18, 0, 0, 0, 1, 1, 97, 0]));
    expect(pair.closeReason).toBe("wire.message_invalid");
    const local = new Pair({ isLocal: true });
    await local.send(local.requests([1]));
    expect(local.closeReason).toBe("wire.message_invalid");
  });

  test("attack 10: one call too many", async () => {
    const pair = new Pair();
    const ids = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => from + 2 * index);
    await pair.send(pair.requests(ids(1, CALLS_PER_SESSION_MAX)));
    expect(pair.closeReason).toBeUndefined();
    expect(pair.served).toHaveLength(CALLS_PER_SESSION_MAX);
    await pair.send(pair.requests([2 * CALLS_PER_SESSION_MAX + 1]));
    expect(pair.closeReason).toBe("wire.too_many_calls");
    expect(pair.served.every(({ stream }) => stream.cancellation.isCancelled)).toBeTrue();
  });
});

describe("a session answers, and goes on after,", () => {
  test("attack 6: a batch that comes again", async () => {
    const pair = new Pair();
    const message = pair.requests([1]);
    const again = { ...message, requests: [{ stream_id: 3, bytes: REQUEST }] };
    await pair.send(message, again);
    expect(await pair.answers()).toEqual({ 3: "wire.replayed" });
    expect(pair.served).toHaveLength(1);
    expect(pair.closeReason).toBeUndefined();
  });

  test("attack 13: a batch from another time, each of its requests", async () => {
    const pair = new Pair();
    const early = pair.clock.nowMs() - FRESHNESS_WINDOW_MS - 1;
    const late = pair.clock.nowMs() + FRESHNESS_WINDOW_MS + 1;
    await pair.send(pair.requests([1, 3], { timeMs: early }), pair.requests([5], { timeMs: late }));
    expect(await pair.answers()).toEqual({ 1: "wire.stale", 3: "wire.stale", 5: "wire.stale" });
    expect(pair.served).toHaveLength(0);
  });

  test("requests whose bytes are no envelope, each", async () => {
    const pair = new Pair();
    await pair.send(pair.requests([1, 3], { bytes: new Uint8Array([0xc1]) }));
    await pair.send(pair.requests([5], { bytes: new Uint8Array([0x80]) }));
    await pair.send(pair.requests([7]));
    expect(await pair.answers()).toEqual({
      1: "wire.encoding_invalid",
      3: "wire.encoding_invalid",
      5: "wire.envelope_invalid",
    });
    expect(pair.served).toHaveLength(1);
  });

  test("attack 5: a request of another key than the session's, as what it is", async () => {
    const pair = new Pair();
    await pair.send(pair.requests([1], { signer: stranger }));
    expect(pair.served[0]?.signer.id).toBe(stranger.publicKey.id);
    expect(pair.session.peer?.id).toBe(PEER.publicKey.id);
  });

  test("attack 10: calls opened and cancelled so fast that their work piles up", async () => {
    const pair = new Pair();
    let last = -1;
    for (let wave = 0; wave < 3; wave++) {
      const ids = Array.from({ length: CALLS_PER_SESSION_MAX }, () => (last += 2));
      await pair.send(pair.requests(ids));
      await pair.send(
        ...ids.map((stream_id): Message => ({ type: "cancel", stream_id, reason: 0 })),
      );
    }
    const answers = Object.values(await pair.answers());
    expect(answers.length).toBeGreaterThan(0);
    expect(new Set(answers)).toEqual(new Set(["wire.too_many_calls"]));
    expect(pair.served.length).toBeLessThanOrEqual(2 * CALLS_PER_SESSION_MAX + 1);
    // Whatever stops makes room again.
    for (const message of pair.served) message.respond({ ok: true, output: {} });
    await pair.send(pair.requests([last + 2]));
    expect(await pair.answers()).toEqual({});
    expect(pair.closeReason).toBeUndefined();
  });

  test("messages for streams that are over, by ignoring them", async () => {
    const pair = new Pair();
    await pair.send(pair.requests([1]));
    pair.served[0]?.respond({ ok: true, output: {} });
    await pair.send(
      chunk(1),
      { type: "credit", stream_id: 1, bytes: 1 },
      { type: "cancel", stream_id: 1, reason: 0 },
    );
    expect(await pair.answers()).toEqual({ 1: "ok" });
    expect(pair.closeReason).toBeUndefined();
  });

  test("a second answer, and an answer after a cancel, by sending neither", async () => {
    const pair = new Pair();
    await pair.send(pair.requests([1, 3]));
    await pair.send({ type: "cancel", stream_id: 3, reason: 0 });
    for (const message of pair.served) message.respond({ ok: true, output: {} });
    for (const message of pair.served) message.respond({ ok: true, output: {} });
    expect(await pair.answers()).toEqual({ 1: "ok" });
    expect(pair.served[1]?.stream.cancellation.isCancelled).toBeTrue();
  });

  test("an output that fits no envelope", async () => {
    const pair = new Pair();
    await pair.send(pair.requests([1, 3]));
    const text = "x".repeat(ENVELOPE_BYTES_MAX);
    pair.served[0]?.respond({ ok: true, output: { text } });
    pair.served[1]?.respond({ ok: true, output: { number: Number.NaN } });
    expect(await pair.answers()).toEqual({ 1: "node.output_too_large", 3: "node.output_invalid" });
  });

  test("hello once, whatever it says and however often", async () => {
    const pair = new Pair();
    const hello = { type: "hello", protocol: 1, time_ms: 0, software: "a" } as const;
    await pair.send(hello, { ...hello, software: "b" });
    expect(pair.told).toEqual(["hello a"]);
  });
});

describe("calls of this side", () => {
  test("share one signature when made in one turn", async () => {
    const pair = new Pair({ role: "initiator" });
    for (let index = 0; index < 3; index++) pair.session.call(REQUEST);
    const [batch, ...more] = await pair.received("requests");
    expect(batch?.requests.map(({ stream_id }) => stream_id)).toEqual([1, 3, 5]);
    expect(batch?.batch.count).toBe(3);
    expect(more).toHaveLength(0);
  });

  test("fail with the session, all at once", async () => {
    const pair = new Pair({ role: "initiator" });
    const calls = [pair.session.call(REQUEST), pair.session.call(REQUEST)];
    pair.session.close("");
    for (const call of calls)
      expect(call.response).rejects.toMatchObject({ code: "wire.session_closed" });
    expect(() => pair.session.call(REQUEST)).toThrow("ended");
    await pair.session.ended;
  });

  test("go on after the peer's goodbye, and no new ones begin", async () => {
    const pair = new Pair({ role: "initiator" });
    const call = pair.session.call(REQUEST);
    await settle();
    await pair.send({ type: "goaway", reason: 0, message: "later" });
    expect(pair.told).toEqual(["goaway later"]);
    expect(() => pair.session.call(REQUEST)).toThrow("shutting down");
    await pair.send(pair.response(1, REQUEST));
    expect((await call.response).body).toMatchObject({ ok: true });
  });

  test("that were cancelled tell the peer once and take no answer", async () => {
    const pair = new Pair({ role: "initiator" });
    const call = pair.session.call(REQUEST);
    await settle();
    call.cancel();
    call.cancel();
    expect(call.response).rejects.toMatchObject({ code: "node.cancelled" });
    expect(await pair.received("cancel")).toHaveLength(1);
    await pair.send(pair.response(1, REQUEST));
    expect(pair.closeReason).toBeUndefined();
  });

  test("whose answer is malformed fail alone", async () => {
    const pair = new Pair({ role: "initiator" });
    const [first, second] = [pair.session.call(REQUEST), pair.session.call(REQUEST)];
    await settle();
    const message = pair.response(1, REQUEST);
    await pair.send({ ...message, responses: [{ stream_id: 1, bytes: new Uint8Array([0xc1]) }] });
    expect(first.response).rejects.toMatchObject({ code: "wire.encoding_invalid" });
    await pair.send(pair.response(3, REQUEST));
    expect((await second.response).body).toMatchObject({ ok: true });
  });

  test("are refused here when too large, or too many", () => {
    const pair = new Pair({ role: "initiator" });
    expect(() => pair.session.call(new Uint8Array(ENVELOPE_BYTES_MAX + 1))).toThrow("more than");
    for (let index = 0; index < CALLS_PER_SESSION_MAX; index++) pair.session.call(REQUEST);
    expect(() => pair.session.call(REQUEST)).toThrow("256");
    expect(pair.session.isUsable).toBeTrue();
  });

  test("of other keys are passed on as they are, or refused before they end the session", async () => {
    const pair = new Pair({ role: "initiator" });
    const { batch } = pair.requests([1], { signer: stranger, addressee: PEER.publicKey });
    pair.session.forward(batch, [REQUEST]);
    const [sent] = await pair.received("requests");
    expect(sent?.batch).toMatchObject({ count: 1 });
    expect(Buffer.from(sent?.batch.signature ?? []).equals(batch.signature)).toBeTrue();
    expect(() => pair.session.forward(batch, [OTHER])).toThrow("signature");
    const elsewhere = pair.requests([1], { addressee: OWN.publicKey }).batch;
    expect(() => pair.session.forward(elsewhere, [REQUEST])).toThrow("another node");
    expect(pair.closeReason).toBeUndefined();
  });
});

describe("liveness", () => {
  test("a silent peer is pinged, then given up", async () => {
    const pair = new Pair();
    await pair.received("hello");
    pair.clock.advance(15_000);
    expect(await pair.received("ping")).toHaveLength(1);
    await pair.send({ type: "pong", token: 0n });
    pair.clock.advance(44_999);
    await settle();
    expect(pair.closeReason).toBeUndefined();
    pair.clock.advance(15_000);
    await settle();
    expect(pair.closeReason).toBe("wire.peer_silent");
  });

  test("a wall clock that jumps gives nobody up", async () => {
    const pair = new Pair();
    pair.clock.jump(86_400_000);
    pair.clock.advance(14_999);
    pair.clock.jump(-2 * 86_400_000);
    expect(await pair.received("ping")).toHaveLength(0);
    expect(pair.closeReason).toBeUndefined();
  });

  test("a ping is answered with its token", async () => {
    const pair = new Pair();
    await pair.send({ type: "ping", token: 77n });
    expect(await pair.received("pong")).toEqual([{ type: "pong", token: 77n }]);
  });

  test("ping() takes no other answer than its own, and shares it", async () => {
    const pair = new Pair();
    const both = [pair.session.ping(), pair.session.ping()];
    const [ping, ...more] = await pair.received("ping");
    expect(more).toHaveLength(0);
    const token = ping?.token as bigint;
    pair.clock.advance(5);
    await pair.send({ type: "pong", token: token + 1n });
    pair.clock.advance(5);
    await pair.send({ type: "pong", token });
    expect(await Promise.all(both)).toEqual([10, 10]);
  });
});
