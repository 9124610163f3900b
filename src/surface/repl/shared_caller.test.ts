import { expect, test } from "bun:test";
import { ManualClock } from "../../../test/clock.ts";
import type { Caller, OngoingCall } from "../../contract/caller.ts";
import { type ErrorKind, OperonError } from "../../error.ts";
import { SharedCaller } from "./shared_caller.ts";

function counted() {
  const clock = new ManualClock();
  const counts = { opened: 0, closed: 0 };
  let failing: ErrorKind | undefined;
  const open = async (): Promise<Caller> => {
    counts.opened++;
    if (failing === "unauthenticated") throw failure(failing);
    return {
      call: () => call(failing),
      async [Symbol.asyncDispose]() {
        counts.closed++;
      },
    };
  };
  const shared = new SharedCaller(open, clock);
  return { clock, counts, shared, failWith: (kind: ErrorKind | undefined) => (failing = kind) };
}

function failure(kind: ErrorKind): OperonError {
  return new OperonError({ code: "x.y", kind, message: "It failed" });
}

function call(failing: ErrorKind | undefined): OngoingCall {
  const output = failing ? Promise.reject(failure(failing)) : Promise.resolve({});
  output.catch(() => {});
  async function* chunks() {}
  return { chunks: chunks(), output, receipt: Promise.resolve(undefined), cancel() {} };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test("lines that follow each other share a connection, which is given up when it idles", async () => {
  const { clock, counts, shared } = counted();
  for (let line = 0; line < 3; line++) {
    await using _caller = await shared.connect();
    clock.advance(1_000);
  }
  expect(counts).toEqual({ opened: 1, closed: 0 });
  clock.advance(4_999);
  await settled();
  expect(counts.closed).toBe(0);
  clock.advance(1);
  await settled();
  expect(counts).toEqual({ opened: 1, closed: 1 });
  await using _next = await shared.connect();
  expect(counts.opened).toBe(2);
});

test("a connection in use is not given up, however long", async () => {
  const { clock, counts, shared } = counted();
  const [one, two] = [await shared.connect(), await shared.connect()];
  await one[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  clock.advance(60_000);
  await settled();
  expect(counts).toEqual({ opened: 1, closed: 0 });
  await two[Symbol.asyncDispose]();
});

test("after a call that reached nobody the next line connects anew", async () => {
  const { counts, shared, failWith } = counted();
  failWith("unavailable");
  {
    await using caller = await shared.connect();
    await caller.call("a", "x.y", {}).output.catch(() => {});
    await settled();
  }
  failWith(undefined);
  await using _caller = await shared.connect();
  await settled();
  expect(counts).toEqual({ opened: 2, closed: 1 });
});

test("a call that was refused keeps its connection", async () => {
  const { counts, shared, failWith } = counted();
  failWith("permission_denied");
  for (let line = 0; line < 2; line++) {
    await using caller = await shared.connect();
    await caller.call("a", "x.y", {}).output.catch(() => {});
    await settled();
  }
  expect(counts.opened).toBe(1);
});

test("a connection that could not be opened is tried again", async () => {
  const { counts, shared, failWith } = counted();
  failWith("unauthenticated");
  expect(shared.connect()).rejects.toMatchObject({ kind: "unauthenticated" });
  await settled();
  failWith(undefined);
  await using _caller = await shared.connect();
  expect(counts.opened).toBe(2);
});

test("disposing closes what is open, once", async () => {
  const { clock, counts, shared } = counted();
  await (await shared.connect())[Symbol.asyncDispose]();
  await shared[Symbol.asyncDispose]();
  clock.advance(60_000);
  await settled();
  expect(counts).toEqual({ opened: 1, closed: 1 });
});
