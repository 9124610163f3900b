import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import type { CapabilityDescription, OperationDescription } from "../contract/description.ts";
import { failedCall, pendingCall } from "../contract/pending_call.ts";
import { OperonError } from "../error.ts";
import { ReconnectingCaller } from "./reconnecting_caller.ts";
import { RepeatingCaller } from "./repeating_caller.ts";

const error = (code: string, kind: "unavailable" | "not_found" = "unavailable") =>
  new OperonError({ code, kind, message: code });

const answered = (output: unknown): OngoingCall => ({
  chunks: (async function* () {})(),
  output: Promise.resolve(output),
  receipt: Promise.resolve(undefined),
  cancel: () => {},
});

/** Answers one outcome after the other, and notes what was called with which options. */
class ScriptedCaller implements Caller {
  readonly calls: { operation: string; options: CallOptions }[] = [];
  isOpen = true;
  isDisposed = false;
  readonly #outcomes: unknown[];

  constructor(...outcomes: unknown[]) {
    this.#outcomes = outcomes;
  }

  call(_node: string, operation: string, _input: unknown, options: CallOptions = {}): OngoingCall {
    this.calls.push({ operation, options });
    const outcome = this.#outcomes.shift();
    return outcome instanceof OperonError ? failedCall(outcome) : answered(outcome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
  }
}

const describeAs = (id: string, parts: Partial<OperationDescription>) =>
  ({ id, effect: "read", ...parts }) as OperationDescription;
const manifest = [
  {
    id: "x",
    summary: "",
    operations: [
      describeAs("x.look", {}),
      describeAs("x.change", { effect: "write" }),
      describeAs("x.stream", { sends: { kind: "bytes", channels: [] } }),
      describeAs("x.take", { receives: { kind: "bytes", channels: [] } }),
    ],
  },
] as CapabilityDescription[];

describe("RepeatingCaller", () => {
  test("makes a read again whose connection broke", async () => {
    const inner = new ScriptedCaller(error("wire.session_closed"), "second");
    const caller = new RepeatingCaller(inner, { manifest });
    expect(await caller.call("n", "x.look", {}).output).toBe("second");
    expect(inner.calls).toHaveLength(2);
  });

  test("makes it again once, and no more", async () => {
    const broken = error("wire.session_closed");
    const inner = new ScriptedCaller(broken, broken, "third");
    const caller = new RepeatingCaller(inner, { manifest });
    expect(caller.call("n", "x.look", {}).output).rejects.toBe(broken);
    await Bun.sleep(0);
    expect(inner.calls).toHaveLength(2);
  });

  test.each(["x.change", "x.stream", "x.take", "y.unknown"])("never repeats %s", async (id) => {
    const inner = new ScriptedCaller(error("wire.session_closed"), "second");
    const caller = new RepeatingCaller(inner, { manifest });
    expect(caller.call("n", id, {}).output).rejects.toMatchObject({ kind: "unavailable" });
    await Bun.sleep(0);
    expect(inner.calls).toHaveLength(1);
  });

  test.each(["wire.unreachable", "node.unreachable", "audit.unavailable", "wire.no_daemon"])(
    "does not repeat a read that failed with %s",
    async (code) => {
      const inner = new ScriptedCaller(error(code), "second");
      const caller = new RepeatingCaller(inner, { manifest });
      expect(caller.call("n", "x.look", {}).output).rejects.toMatchObject({ code });
      await Bun.sleep(0);
      expect(inner.calls).toHaveLength(1);
    },
  );

  test("does not repeat a read that was cancelled", async () => {
    const inner = new ScriptedCaller(error("wire.session_closed"), "second");
    const call = new RepeatingCaller(inner, { manifest }).call("n", "x.look", {});
    call.cancel();
    expect(call.output).rejects.toMatchObject({ code: "wire.session_closed" });
    await Bun.sleep(0);
    expect(inner.calls).toHaveLength(1);
  });

  test("gives the second attempt only the time that is left", async () => {
    const clock = new ManualClock();
    const inner = new ScriptedCaller(error("wire.session_closed"), "second");
    const caller = new RepeatingCaller(inner, { manifest, clock });
    const call = caller.call("n", "x.look", {}, { timeout_ms: 1000 });
    clock.advance(400);
    await call.output;
    expect(inner.calls.map(({ options }) => options.timeout_ms)).toEqual([1000, 600]);
  });

  test("turns what a caller throws into the call's failure", async () => {
    const inner = new ScriptedCaller();
    inner.call = () => {
      throw error("node.unknown", "not_found");
    };
    const call = new RepeatingCaller(inner, { manifest }).call("n", "x.change", {});
    expect(call.output).rejects.toMatchObject({ code: "node.unknown" });
    expect(await call.receipt).toBeUndefined();
  });
});

describe("ReconnectingCaller", () => {
  const noDaemon = error("wire.no_daemon");

  test("finds a daemon that was restarted", async () => {
    const [first, second] = [new ScriptedCaller("one"), new ScriptedCaller("two")];
    const daemons = [first, noDaemon, second];
    const clock = new ManualClock();
    const caller = await ReconnectingCaller.open({
      clock,
      connect: async () => {
        const next = daemons.shift() as ScriptedCaller | OperonError;
        if (next instanceof OperonError) throw next;
        return next;
      },
      withoutDaemon: () => Promise.reject(error("sdk.never")),
    });
    expect(await caller.call("n", "x.change", {}).output).toBe("one");
    first.isOpen = false;
    const call = caller.call("n", "x.change", {}).output;
    while (daemons.length > 0) {
      await Bun.sleep(0);
      clock.advance(50);
    }
    expect(await call).toBe("two");
  });

  test("goes without a daemon that stays away, and finds it when it is there at last", async () => {
    const daemon = new ScriptedCaller("daemon");
    const other = new ScriptedCaller("other", "other again");
    let isThere = false;
    const caller = await ReconnectingCaller.open({
      clock: new ManualClock(),
      connect: async () => {
        if (!isThere) throw noDaemon;
        return daemon;
      },
      withoutDaemon: async () => other,
    });
    expect(await caller.call("n", "x.look", {}).output).toBe("other");
    isThere = true;
    expect(await caller.call("n", "x.look", {}).output).toBe("daemon");
    await caller[Symbol.asyncDispose]();
    expect([daemon.isDisposed, other.isDisposed]).toEqual([true, true]);
  });

  test("refuses calls after it was disposed of", async () => {
    const daemon = new ScriptedCaller("daemon");
    const caller = await ReconnectingCaller.open({
      clock: new ManualClock(),
      connect: async () => daemon,
      withoutDaemon: () => Promise.reject(noDaemon),
    });
    await caller[Symbol.asyncDispose]();
    expect(caller.call("n", "x.look", {}).output).rejects.toMatchObject({ code: "sdk.closed" });
  });

  test("hands on every other failure to connect", () => {
    const refused = error("identity.file_exposed", "not_found");
    const opening = ReconnectingCaller.open({
      clock: new ManualClock(),
      connect: () => Promise.reject(refused),
      withoutDaemon: () => Promise.reject(noDaemon),
    });
    expect(opening).rejects.toBe(refused);
  });
});

describe("pendingCall()", () => {
  const never = new Promise<OngoingCall>(() => {});

  test("ends at its deadline, at its signal, and when it is cancelled, before it has begun", () => {
    const clock = new ManualClock();
    const late = pendingCall(never, { timeout_ms: 100, clock });
    clock.advance(100);
    expect(late.output).rejects.toMatchObject({ kind: "deadline_exceeded" });
    const aborted = pendingCall(never, { signal: AbortSignal.abort() });
    expect(aborted.output).rejects.toMatchObject({ kind: "cancelled" });
    const cancelled = pendingCall(never);
    cancelled.cancel();
    expect(cancelled.output).rejects.toMatchObject({ kind: "cancelled" });
  });

  test("cancels what is made after all", async () => {
    const { promise, resolve } = Promise.withResolvers<OngoingCall>();
    const call = pendingCall(promise);
    call.cancel();
    const reasons: unknown[] = [];
    resolve({ ...answered("x"), cancel: (reason) => void reasons.push(reason?.kind) });
    await promise;
    await Bun.sleep(0);
    expect(reasons).toEqual(["cancelled"]);
  });
});
