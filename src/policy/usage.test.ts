import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import { USAGE_COUNTERS_MAX, UsageLedger } from "./usage.ts";

describe("UsageLedger", () => {
  test("counts what was recorded in the window", () => {
    const clock = new ManualClock();
    const ledger = new UsageLedger(clock);
    expect(ledger.usage("k", 60_000)).toEqual({ calls: 0, bytes: 0, seconds: 0 });
    ledger.record(["k"], { calls: 1, bytes: 10 });
    clock.advance(30_000);
    ledger.record(["k"], { seconds: 2 });
    expect(ledger.usage("k", 60_000)).toEqual({ calls: 1, bytes: 10, seconds: 2 });
    clock.advance(32_000);
    expect(ledger.usage("k", 60_000)).toEqual({ calls: 0, bytes: 0, seconds: 2 });
  });

  test("never forgets inside the window, wherever it starts", () => {
    for (const offset of [0, 1, 499, 500, 999, 1000, 16_667]) {
      const clock = new ManualClock();
      clock.advance(offset);
      const ledger = new UsageLedger(clock);
      ledger.usage("k", 60_000);
      ledger.record(["k"], { calls: 1 });
      clock.advance(59_999);
      expect(ledger.usage("k", 60_000).calls).toBe(1);
      clock.advance(1_001);
      expect(ledger.usage("k", 60_000).calls).toBe(0);
    }
  });

  test("keeps windows of one key apart", () => {
    const clock = new ManualClock();
    const ledger = new UsageLedger(clock);
    ledger.usage("k", 1_000);
    ledger.usage("k", 60_000);
    ledger.record(["k"], { calls: 1 });
    clock.advance(2_000);
    expect(ledger.usage("k", 1_000).calls).toBe(0);
    expect(ledger.usage("k", 60_000).calls).toBe(1);
  });

  test("counts nothing under a key policy never asked about", () => {
    const ledger = new UsageLedger(new ManualClock());
    ledger.record(["k"], { calls: 1 });
    expect(ledger.usage("k", 1_000).calls).toBe(0);
  });

  test("holds a bounded number of slots, however often it is asked", () => {
    const clock = new ManualClock();
    const ledger = new UsageLedger(clock);
    ledger.usage("k", 1_000);
    for (let i = 0; i < 100_000; i++) {
      clock.advance(1);
      ledger.record(["k"], { calls: 1 });
    }
    const { calls } = ledger.usage("k", 1_000);
    expect(calls).toBeGreaterThanOrEqual(1_000);
    expect(calls).toBeLessThan(1_030);
  });

  test("answers that every limit is reached when it has no room", () => {
    const clock = new ManualClock();
    const ledger = new UsageLedger(clock);
    for (let i = 0; i < USAGE_COUNTERS_MAX; i++) {
      ledger.usage(`k${i}`, 1_000);
      ledger.record([`k${i}`], { calls: 1 });
    }
    expect(ledger.usage("one more", 1_000).calls).toBe(Number.POSITIVE_INFINITY);
    expect(ledger.usage("k0", 1_000).calls).toBe(1);
    clock.advance(1_100);
    expect(ledger.usage("one more", 1_000).calls).toBe(0);
  });
});
