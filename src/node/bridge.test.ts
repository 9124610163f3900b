import { expect, test } from "bun:test";
import { decodeResponse } from "../wire/envelope.ts";
import { chunk, Pair, REQUEST, settle } from "../wire/session.fixture.ts";
import { bridge } from "./bridge.ts";

/** A call from one session's peer to another's, joined; what the last one sends comes to the first. */
async function bridged() {
  const [near, far] = [new Pair(), new Pair({ role: "initiator" })];
  await near.send(near.requests([1]));
  const sent = far.session.call(REQUEST);
  await settle();
  const responses: Uint8Array[] = [];
  const { bytes, stream } = near.served[0]!;
  const caller = { bytes, stream, respond: (response: Uint8Array) => responses.push(response) };
  return { near, far, responses, over: bridge(caller, sent) };
}

test("bridge() passes on chunks, the end and the response", async () => {
  const { near, far, responses, over } = await bridged();
  await far.send(chunk(1), chunk(1, { position: 1, payload: new Uint8Array(0), end: true }));
  await far.send(far.response(1, REQUEST));
  await over;
  expect((await near.received("chunk")).map(({ end }) => end)).toEqual([false, true]);
  expect(responses).toHaveLength(1);
});

test("attack 25: bridge() makes no end of a stream that was cut short", async () => {
  const { near, far, responses, over } = await bridged();
  await far.send(chunk(1));
  const error = { code: "test.broken", kind: "aborted", message: "It broke" } as const;
  await far.send(far.response(1, REQUEST, { ok: false, error }));
  await over;
  expect((await near.received("chunk")).map(({ end }) => end)).toEqual([false]);
  expect(responses.map(decodeResponse)).toMatchObject([{ ok: false, error }]);
});
