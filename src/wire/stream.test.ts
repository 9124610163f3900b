import { describe, expect, test } from "bun:test";
import { CHUNK_BYTES_MAX, CREDIT_BYTES_INITIAL } from "../limits.ts";
import { chunk, Pair, REQUEST, settle } from "./session.fixture.ts";
import { CHUNK_COST_BYTES, type WireChunk } from "./stream.ts";

const KIB = 1024;

/** A pair with one served call. */
async function served() {
  const pair = new Pair();
  await pair.send(pair.requests([1]));
  const stream = pair.served[0]?.stream;
  if (!stream) throw new Error("Not served");
  return { pair, stream };
}

/** Payload bytes of the chunks that came on a stream. */
async function bytesOn(pair: Pair, id: number): Promise<number> {
  const chunks = await pair.received("chunk");
  const own = chunks.filter(({ stream_id }) => stream_id === id);
  return own.reduce((sum, { payload }) => sum + payload.byteLength, 0);
}

test("a payload may be written to again when write() has resolved", async () => {
  const { pair, stream } = await served();
  const payload = new Uint8Array(CHUNK_BYTES_MAX);
  const arrived: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const writing = stream.outgoing.write(payload.fill(round)).then(() => payload.fill(255));
    // In pieces, as credit comes.
    for (let piece = 0; piece < 6; piece++) {
      await pair.send({ type: "credit", stream_id: 1, bytes: 50 * KIB });
      await settle();
    }
    await writing;
    const chunks = await pair.received("chunk");
    for (const { payload: bytes } of chunks) arrived.push(...new Set(bytes));
  }
  expect([...new Set(arrived)]).toEqual([1, 2, 3]);
});

describe("attack 11: a reader that stops", () => {
  test("write() waits at the credit the reader gave, and goes on with more", async () => {
    const { pair, stream } = await served();
    let isDone = false;
    const writing = stream.outgoing.write(new Uint8Array(600 * KIB)).then(() => {
      isDone = true;
    });
    for (let turn = 0; turn < 10; turn++) await settle();
    const sent = await bytesOn(pair, 1);
    expect(sent).toBeLessThanOrEqual(CREDIT_BYTES_INITIAL);
    expect(sent).toBeGreaterThan(CREDIT_BYTES_INITIAL / 2);
    expect(isDone).toBeFalse();
    await pair.send({ type: "credit", stream_id: 1, bytes: 1024 * KIB });
    await writing;
    expect(sent + (await bytesOn(pair, 1))).toBe(600 * KIB);
  });

  test("write() of one stream does not wait for another one's reader", async () => {
    const { pair, stream } = await served();
    void stream.outgoing.write(new Uint8Array(10 * 1024 * KIB));
    for (let turn = 0; turn < 10; turn++) await settle();
    await bytesOn(pair, 1);
    await pair.send(pair.requests([3]));
    await pair.served[1]?.stream.outgoing.write(new Uint8Array(100 * KIB));
    expect(await bytesOn(pair, 3)).toBe(100 * KIB);
  });

  test("write() that waits ends when the reader gives up", async () => {
    const { pair, stream } = await served();
    const writing = stream.outgoing.write(new Uint8Array(1024 * KIB));
    await pair.send({ type: "cancel", stream_id: 1, reason: 0 });
    await writing;
    await stream.outgoing.write(new Uint8Array(KIB));
    expect(await bytesOn(pair, 1)).toBeLessThanOrEqual(CREDIT_BYTES_INITIAL);
  });

  test("write() waits while the connection holds 4 MiB, and goes on when they are gone", async () => {
    const { pair, stream } = await served();
    pair.bufferedBytes = 4 * 1024 * KIB;
    const writing = stream.outgoing.write(new Uint8Array(64 * KIB));
    for (let turn = 0; turn < 10; turn++) await settle();
    expect(await bytesOn(pair, 1)).toBe(0);
    pair.drain();
    await writing;
    expect(await bytesOn(pair, 1)).toBe(64 * KIB);
  });

  test("a session ends whose connection holds more than 16 MiB", async () => {
    const { pair } = await served();
    for (const [bufferedBytes, reason] of [
      [16 * 1024 * KIB, undefined],
      [16 * 1024 * KIB + 1, "wire.peer_not_reading"],
    ] as const) {
      pair.bufferedBytes = bufferedBytes;
      await pair.send({ type: "ping", token: 1n });
      await settle();
      expect(pair.closeReason).toBe(reason);
    }
  });

  test("writes of many small chunks are bounded as those of few large ones", async () => {
    const { pair, stream } = await served();
    const writing = (async () => {
      for (let index = 0; index < 20_000; index++) await stream.outgoing.write(new Uint8Array(1));
    })();
    for (let turn = 0; turn < 10; turn++) await settle();
    const most = CREDIT_BYTES_INITIAL / (1 + CHUNK_COST_BYTES);
    expect(await bytesOn(pair, 1)).toBeLessThanOrEqual(most);
    pair.session.close("");
    await writing;
  });
});

describe("attack 11: a writer that does not stop", () => {
  test("a session ends when unread chunks exceed the credit, counting each chunk", async () => {
    const { pair } = await served();
    const most = Math.floor(CREDIT_BYTES_INITIAL / (1 + CHUNK_COST_BYTES));
    for (let index = 0; index < most; index++) await pair.send(chunk(1, { position: index }));
    expect(pair.closeReason).toBeUndefined();
    await pair.send(chunk(1, { position: most }));
    expect(pair.closeReason).toBe("wire.credit_exceeded");
  });

  test("a stream that is not iterated grants nothing", async () => {
    const { pair } = await served();
    const payload = new Uint8Array(64 * KIB);
    for (let index = 0; index < 3; index++)
      await pair.send(chunk(1, { position: index * payload.length, payload }));
    expect(await pair.received("credit")).toEqual([]);
  });

  test("a stream grants as it is read, and never more than its window", async () => {
    const { pair, stream } = await served();
    const reader = stream.incoming[Symbol.asyncIterator]();
    const first = reader.next();
    await settle();
    let granted = CREDIT_BYTES_INITIAL;
    const count = async () => {
      for (const { bytes } of await pair.received("credit")) granted += bytes;
    };
    await count();
    const window = granted;
    const payload = new Uint8Array(64 * KIB);
    let position = 0;
    for (let index = 0; index < 100; index++) {
      await pair.send(chunk(1, { position, payload }));
      position += payload.length;
      await (index === 0 ? first : reader.next());
      await count();
      const used = position + (index + 1) * CHUNK_COST_BYTES;
      expect(granted - used).toBeLessThanOrEqual(window);
    }
    expect(pair.closeReason).toBeUndefined();
    expect(granted).toBeGreaterThan(position);
  });

  test("a stream nobody reads any more still grants, so that its writer is not stuck", async () => {
    const { pair, stream } = await served();
    const payload = new Uint8Array(64 * KIB);
    for (let index = 0; index < 3; index++)
      await pair.send(chunk(1, { position: index * payload.length, payload }));
    for await (const _chunk of stream.incoming) break;
    const credit = await pair.received("credit");
    expect(credit.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThan(100 * KIB);
  });
});

test("attack 11: what the streams of one session may hold unread stays below 64 MiB and a window each has anyhow", async () => {
  const pair = new Pair();
  const ids = Array.from({ length: 256 }, (_, index) => 1 + 2 * index);
  await pair.send(pair.requests(ids));
  for (const { stream } of pair.served) void stream.incoming[Symbol.asyncIterator]().next();
  const credit = await pair.received("credit");
  const granted = credit.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(ids.length * CREDIT_BYTES_INITIAL + granted).toBeLessThanOrEqual(64 * 1024 * KIB);
});

describe("a stream", () => {
  test("gives chunks in order, their channel and kind, and a clean end", async () => {
    const { pair, stream } = await served();
    const read: WireChunk[] = [];
    const reading = (async () => {
      for await (const one of stream.incoming) read.push(one);
      return "ended";
    })();
    const payload = Buffer.from("ab");
    await pair.send(chunk(1, { payload, channel: 2 }));
    await pair.send(chunk(1, { position: 2, payload: Buffer.from([0x90]), values: true }));
    await pair.send(chunk(1, { position: 3, payload: new Uint8Array(0), end: true }));
    expect(await reading).toBe("ended");
    expect(read.map(({ channel, values }) => [channel, values])).toEqual([
      [2, false],
      [0, true],
    ]);
  });

  test("can be read once", async () => {
    const { stream } = await served();
    const reader = stream.incoming[Symbol.asyncIterator]();
    void reader.next();
    const again = stream.incoming[Symbol.asyncIterator]();
    expect(again.next()).rejects.toThrow("once");
  });

  test("that the session's end cuts short fails its reader: it is not taken for whole", async () => {
    const { pair, stream } = await served();
    await pair.send(chunk(1));
    const reading = Array.fromAsync(stream.incoming);
    pair.session.close("");
    expect(reading).rejects.toMatchObject({ code: "wire.session_closed" });
    await reading.catch(() => {});
  });

  test("half-closes once: its end comes with the position, nothing after it", async () => {
    const { pair, stream } = await served();
    await stream.outgoing.write(new Uint8Array(10));
    stream.outgoing.end();
    stream.outgoing.end();
    await stream.outgoing.write(new Uint8Array(10));
    const chunks = await pair.received("chunk");
    expect(chunks.map(({ end, position }) => [end, position])).toEqual([
      [false, 0],
      [true, 10],
    ]);
    // The other direction stays open.
    await pair.send(chunk(1));
    expect(pair.closeReason).toBeUndefined();
  });

  test("sends nothing after its call was answered", async () => {
    const { pair, stream } = await served();
    pair.served[0]?.respond({ ok: true, output: {} });
    await stream.outgoing.write(new Uint8Array(10));
    expect(await pair.received("chunk")).toEqual([]);
  });

  test("of a call of this side gives what came before the answer", async () => {
    const pair = new Pair({ role: "initiator" });
    const call = pair.session.call(REQUEST);
    await settle();
    const reading = Array.fromAsync(call.stream.incoming);
    await pair.send(chunk(1, { payload: Buffer.from("all") }), pair.response(1, REQUEST));
    expect((await reading).map(({ payload }) => Buffer.from(payload).toString())).toEqual(["all"]);
  });
});
