import { expect, test } from "bun:test";
import { type End, Offer, type WaitingConnection } from "./offer.ts";

/** Connections that may wait for one publisher. */
const WAITING_MAX = 256;
/** Longer than the test. */
const LATE_SECS = 60;

const end: End = {
  incoming: (async function* () {})(),
  signal: new AbortController().signal,
};

/** An offer with nobody who takes its connections up. */
function offered() {
  const waiting = new Map<string, WaitingConnection>();
  const offer = new Offer({ service: "web", publisher: "alice" }, waiting);
  const connect = (signal = end.signal) => offer.connect({ ...end, signal }, LATE_SECS);
  const filled = Array.from({ length: WAITING_MAX }, () => connect());
  return { offer, waiting, connect, filled };
}

/** All that needs no waiting has happened when it resolves. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Whether a connection was refused at once: it does not wait. */
async function isRefused(connection: Promise<unknown>): Promise<boolean> {
  const settled = connection.then((link) => link === "busy");
  return Promise.race([settled, turn().then(() => false)]);
}

test("attack 28: no more connections wait for a publisher than its bound, and those over it are not announced", async () => {
  const { offer, waiting, connect, filled } = offered();
  for (let more = 0; more < 10; more++) expect(await isRefused(connect())).toBeTrue();
  expect(waiting.size).toBe(WAITING_MAX);
  expect(offer.announced).toBe(WAITING_MAX);
  expect(await isRefused(Promise.race(filled))).toBeFalse();
  const arrivals = offer.arrivals();
  const tokens: string[] = [];
  for (let count = 0; count < WAITING_MAX; count++)
    tokens.push((await arrivals.next()).value as string);
  expect(new Set(tokens)).toEqual(new Set(waiting.keys()));
  const next = arrivals.next();
  expect(await Promise.race([next, turn()])).toBeUndefined();
  // Being told of does not make room, only being taken up does.
  expect(await isRefused(connect())).toBeTrue();
  offer.over.cancel(new Error("over"));
  await expect(next).rejects.toThrow("over");
  expect(await Promise.all(filled)).toEqual(filled.map(() => "over"));
  expect(waiting.size).toBe(0);
});

test("attack 28: a connection that is taken up, refused or given up makes room for one more", async () => {
  const { offer, waiting, connect, filled } = offered();
  const [first, second] = [...waiting.values()];
  const link = first?.take(end);
  expect(await filled[0]).toBe(link!);
  expect(await isRefused(connect())).toBeFalse();
  expect(await isRefused(connect())).toBeTrue();
  second?.refuse();
  expect(await filled[1]).toBe("refused");
  const leaving = new AbortController();
  const left = connect(leaving.signal);
  expect(await isRefused(connect())).toBeTrue();
  leaving.abort();
  expect(await left).toBe("over");
  expect(await isRefused(connect())).toBeFalse();
  expect(await isRefused(connect())).toBeTrue();
  expect(waiting.size).toBe(WAITING_MAX);
  offer.over.cancel(new Error("over"));
});

test("attack 28: the connections of one offer take no room from another", async () => {
  const { waiting, offer } = offered();
  const other = new Offer({ service: "api", publisher: "bob" }, waiting);
  expect(await isRefused(other.connect(end, LATE_SECS))).toBeFalse();
  expect(waiting.size).toBe(WAITING_MAX + 1);
  for (const { over } of [offer, other]) over.cancel(new Error("over"));
});
