import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import { OperonError } from "../error.ts";
import { FRESHNESS_WINDOW_MS } from "../limits.ts";
import { ReplayGuard, type ReplayGuardOptions } from "./replay.ts";

const DAY_MS = 86_400_000;
const OWN: Uint8Array = new Uint8Array(32).fill(1);
const OTHER: Uint8Array = new Uint8Array(32).fill(2);

function guardAt(clock: ManualClock, options: Partial<ReplayGuardOptions> = {}) {
  const guard = new ReplayGuard({ clock, notBeforeMs: clock.nowMs(), own: OWN, ...options });
  let batches = 0;
  const code = (run: () => void) => {
    try {
      run();
      return "accepted";
    } catch (error) {
      return (error as OperonError).code;
    }
  };
  return {
    newBatch: () => new Uint8Array(16).fill(++batches),
    accept: (batch: Uint8Array, { signer = OTHER, timeMs = clock.nowMs() } = {}) =>
      code(() => guard.accept(signer, batch, timeMs)),
    fromHere: (batch: Uint8Array, { signer = OWN, timeMs = clock.nowMs() } = {}) =>
      code(() => guard.acceptFromHere(signer, batch, timeMs)),
  };
}

describe("attack 6: a batch is served once", () => {
  test("accept() refuses a batch it saw, also when its time is claimed to be another", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    const batch = guard.newBatch();
    expect(guard.accept(batch)).toBe("accepted");
    expect(guard.accept(batch)).toBe("wire.replayed");
    expect(guard.accept(batch, { timeMs: clock.nowMs() + 1 })).toBe("wire.replayed");
  });

  test("accept() takes the same id from another signer", () => {
    const guard = guardAt(new ManualClock());
    const batch = guard.newBatch();
    expect(guard.accept(batch)).toBe("accepted");
    expect(guard.accept(batch, { signer: OWN })).toBe("accepted");
  });

  test("accept() refuses a batch at every moment after it was served", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    const batch = guard.newBatch();
    // From the future as far as may be: fresh for twice the window.
    const timeMs = clock.nowMs() + FRESHNESS_WINDOW_MS;
    expect(guard.accept(batch, { timeMs })).toBe("accepted");
    for (let at = 0; at < 200; at++) {
      expect(guard.accept(batch, { timeMs })).not.toBe("accepted");
      clock.advance(500);
    }
  });

  test("accept() refuses what was signed before the node started", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    expect(guard.accept(guard.newBatch(), { timeMs: clock.nowMs() - 1 })).toBe("wire.stale");
    expect(guard.accept(guard.newBatch())).toBe("accepted");
  });

  test("accept() that forgets for want of room refuses everything as old", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock, { capacity: 2 });
    const first = guard.newBatch();
    const firstMs = clock.nowMs();
    expect(guard.accept(first)).toBe("accepted");
    for (let more = 0; more < 3; more++) {
      clock.advance(10);
      expect(guard.accept(guard.newBatch())).toBe("accepted");
    }
    expect(guard.accept(first, { timeMs: firstMs })).toBe("wire.stale");
    expect(guard.accept(guard.newBatch(), { timeMs: firstMs })).toBe("wire.stale");
    expect(guard.accept(guard.newBatch())).toBe("accepted");
  });
});

describe("attack 10: a flood of batches from as far ahead as may be", () => {
  const STRANGER = new Uint8Array(32).fill(3);
  const FRIEND = new Uint8Array(32).fill(4);

  function flooded(signer: Uint8Array) {
    const clock = new ManualClock();
    const known = [OTHER, FRIEND];
    const guard = guardAt(clock, { capacity: 10, isKnown: (key) => known.includes(key) });
    const served = guard.newBatch();
    const servedMs = clock.nowMs();
    expect(guard.accept(served)).toBe("accepted");
    clock.advance(1);
    const timeMs = clock.nowMs() + FRESHNESS_WINDOW_MS;
    for (let more = 0; more < 40; more++) guard.accept(guard.newBatch(), { signer, timeMs });
    return { guard, served, servedMs, timeMs };
  }

  test("accept() goes on for principals when a stranger floods", () => {
    const { guard, served, servedMs, timeMs } = flooded(STRANGER);
    expect(guard.accept(guard.newBatch())).toBe("accepted");
    expect(guard.accept(guard.newBatch(), { signer: FRIEND })).toBe("accepted");
    // What was forgotten in the flood is still not served twice.
    expect(guard.accept(served, { timeMs: servedMs })).toBe("wire.stale");
    expect(guard.accept(guard.newBatch(), { signer: STRANGER, timeMs: timeMs - 1 })).toBe(
      "wire.stale",
    );
  });

  test("accept() goes on for other principals when one floods", () => {
    const { guard } = flooded(OTHER);
    expect(guard.accept(guard.newBatch(), { signer: FRIEND })).toBe("accepted");
    expect(guard.accept(guard.newBatch())).toBe("wire.stale");
  });
});

describe("attack 13: a clock that is off, or set back", () => {
  test("accept() refuses a batch from beyond the window and says by how much", () => {
    const clock = new ManualClock();
    const guard = new ReplayGuard({ clock, notBeforeMs: 0 });
    for (const ahead of [DAY_MS, -DAY_MS, FRESHNESS_WINDOW_MS + 1, -FRESHNESS_WINDOW_MS - 1]) {
      const batch = crypto.getRandomValues(new Uint8Array(16));
      const attempt = () => guard.accept(OTHER, batch, clock.nowMs() + ahead);
      expect(attempt).toThrow(OperonError);
      expect(attempt).toThrow(`${Math.round(Math.abs(ahead) / 1000)} s`);
    }
  });

  test("accept() refuses an old batch when the clock is set back to its time", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    const batch = guard.newBatch();
    const timeMs = clock.nowMs();
    expect(guard.accept(batch)).toBe("accepted");
    clock.advance(DAY_MS);
    guard.accept(guard.newBatch());
    clock.jump(-DAY_MS);
    expect(guard.accept(batch, { timeMs })).toBe("wire.stale");
  });

  test("accept() goes on for others when only the node's own calls saw the clock ahead", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    clock.jump(DAY_MS);
    const own = guard.newBatch();
    const ownMs = clock.nowMs();
    expect(guard.fromHere(own)).toBe("accepted");
    clock.jump(-DAY_MS);
    clock.advance(3 * FRESHNESS_WINDOW_MS);
    expect(guard.accept(guard.newBatch())).toBe("accepted");
    // The own one stays refused, should it ever come from elsewhere at its time.
    clock.jump(ownMs - clock.nowMs());
    expect(guard.accept(own, { signer: OWN, timeMs: ownMs })).toBe("wire.stale");
  });

  test("acceptFromHere() serves the node itself when the clock is set back past its start", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    clock.jump(-DAY_MS);
    const batch = guard.newBatch();
    expect(guard.fromHere(batch)).toBe("accepted");
    expect(guard.fromHere(batch)).toBe("wire.replayed");
    expect(guard.accept(batch, { signer: OWN })).toBe("wire.replayed");
  });

  test("acceptFromHere() serves the node itself when the clock jumps between signing and serving", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    const timeMs = clock.nowMs();
    for (const jump of [DAY_MS, -3 * DAY_MS]) {
      clock.jump(jump);
      expect(guard.fromHere(guard.newBatch(), { timeMs })).toBe("accepted");
      expect(guard.fromHere(guard.newBatch(), { timeMs, signer: OTHER })).toBe("wire.stale");
    }
  });

  test("acceptFromHere() gives another key's request nothing", () => {
    const clock = new ManualClock();
    const guard = guardAt(clock);
    clock.jump(-DAY_MS);
    expect(guard.fromHere(guard.newBatch(), { signer: OTHER })).toBe("wire.stale");
    expect(guard.accept(guard.newBatch(), { signer: OWN })).toBe("wire.stale");
  });
});
