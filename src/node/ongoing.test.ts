import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import type { OperonError } from "../error.ts";
import { KeyPair } from "../identity/key.ts";
import { encodeResponse, type ResponseBody } from "../wire/envelope.ts";
import { memoryChannels } from "../wire/memory.ts";
import { Session } from "../wire/session.ts";
import type { SentCall } from "../wire/session_events.ts";
import { ongoingCall, requestBytes } from "./ongoing.ts";

const DIGEST = new Uint8Array(32);

/** A call whose node has not answered yet. */
function unanswered() {
  const [near, far] = memoryChannels();
  const key = KeyPair.generate();
  const session = new Session({
    channel: near,
    role: "initiator",
    key,
    peer: KeyPair.generate().publicKey,
    clock: new ManualClock(),
    replay: undefined,
    software: "test",
    events: { request: () => {}, closed: () => {} },
  });
  far.events = { record: () => {}, drain: () => {}, closed: () => {} };
  const sent = session.call(requestBytes("node.info", {}, {}));
  return { sent, session };
}

describe("a call to a node that went silent", () => {
  test("ongoingCall() ends with the deadline, a moment after the node should have said so", async () => {
    const clock = new ManualClock();
    const { sent } = unanswered();
    const call = ongoingCall(sent, () => undefined, { timeout_ms: 500, clock });
    let isOver = false;
    const output = call.output.catch((error: OperonError) => {
      isOver = true;
      return error;
    });
    clock.advance(1_499);
    await Promise.resolve();
    expect(isOver).toBeFalse();
    clock.advance(1);
    expect(await output).toMatchObject({ code: "node.deadline_exceeded" });
    expect(await call.receipt).toBeUndefined();
    expect(sent.stream.cancellation.isCancelled).toBeTrue();
  });

  test("ongoingCall() ends also while the node is still being dialled, and cancels what is sent later", async () => {
    const clock = new ManualClock();
    const dialled = Promise.withResolvers<SentCall>();
    const call = ongoingCall(dialled.promise, () => undefined, { timeout_ms: 500, clock });
    const chunks = Array.fromAsync(call.chunks).catch((error) => error);
    clock.advance(2_000);
    expect((await chunks).code).toBe("node.deadline_exceeded");
    let isCancelled = false;
    const { sent } = unanswered();
    const cancel = () => {
      isCancelled = true;
    };
    dialled.resolve({ ...sent, cancel });
    await dialled.promise;
    expect(isCancelled).toBeTrue();
  });

  test("ongoingCall() gives the reader of its chunks the same reason", async () => {
    const clock = new ManualClock();
    const call = ongoingCall(unanswered().sent, () => undefined, { timeout_ms: 500, clock });
    const chunks = Array.fromAsync(call.chunks).catch((error) => error);
    await Promise.resolve();
    clock.advance(2_000);
    expect(await chunks).toMatchObject({ code: "node.deadline_exceeded" });
  });

  test("ongoingCall() ends at once when cancelled while the node is still being dialled", async () => {
    const abort = new AbortController();
    const call = ongoingCall(new Promise<SentCall>(() => {}), () => undefined, {
      signal: abort.signal,
    });
    abort.abort();
    expect(call.output).rejects.toMatchObject({ code: "node.cancelled" });
    await call.output.catch(() => {});
  });
});

test("attack 25: the stream of a call that failed is not taken for whole", async () => {
  const { sent } = unanswered();
  const error = { code: "test.broken", kind: "aborted", message: "It broke" } as const;
  const body: ResponseBody = { request: DIGEST, ok: false, error };
  const response = Promise.resolve({ bytes: encodeResponse(body), body });
  const call = ongoingCall({ ...sent, response }, () => "node", {});
  const payload = new TextEncoder().encode("half");
  sent.stream.incoming.push({ channel: 0, values: false, payload }, { end: false, position: 0 });
  sent.stream.incoming.close();
  const read: unknown[] = [];
  const reading = (async () => {
    for await (const chunk of call.chunks) read.push(chunk);
  })();
  await expect(reading).rejects.toMatchObject({ code: "test.broken" });
  expect(read).toHaveLength(1);
});

test("ongoingCall() leaves no timer behind once answered", async () => {
  const clock = new ManualClock();
  const { sent } = unanswered();
  const body: ResponseBody = { request: DIGEST, ok: true, output: { done: true } };
  const response = Promise.resolve({ bytes: encodeResponse(body), body });
  const answered: SentCall = { ...sent, response, cancel: fail };
  const call = ongoingCall(answered, () => "node", { timeout_ms: 500, clock });
  expect(await call.output).toEqual({ done: true });
  clock.advance(10_000);
});

function fail(): never {
  throw new Error("Nothing is to be cancelled");
}
