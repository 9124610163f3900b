import { expect, test } from "bun:test";
import { ManualClock } from "../../../../test/clock.ts";
import { Pace } from "./pace.ts";

const MIB = 1024 * 1024;
const open = new AbortController().signal;

test("a pace lets the first megabytes go at once, and then 2 MiB a second", async () => {
  const clock = new ManualClock();
  const pace = new Pace(clock);
  await pace.take(4 * MIB, open);
  let isThrough = false;
  const waiting = pace.take(MIB / 2, open).then(() => {
    isThrough = true;
  });
  clock.advance(240);
  await Promise.resolve();
  expect(isThrough).toBeFalse();
  clock.advance(20);
  await waiting;
});

test("a pace has room again after a quiet while, and never for more than a burst", async () => {
  const clock = new ManualClock();
  const pace = new Pace(clock);
  await pace.take(4 * MIB, open);
  clock.advance(60_000);
  await pace.take(4 * MIB, open);
  const stop = new AbortController();
  const waiting = pace.take(MIB, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toBeDefined();
});
