import { expect, test } from "bun:test";
import { Cancellation } from "./cancellation.ts";

test("a cancellation tells who listens, once, with the first reason", () => {
  const cancellation = new Cancellation();
  let told = 0;
  cancellation.onCancel(() => told++);
  cancellation.cancel("first");
  cancellation.cancel("second");
  expect(told).toBe(1);
  expect(cancellation.reason).toBe("first");
  expect(cancellation.isCancelled).toBeTrue();
});

test("a cancellation that came early reaches who listens late", () => {
  const cancellation = new Cancellation();
  cancellation.cancel("early");
  let told = 0;
  cancellation.onCancel(() => told++);
  expect(told).toBe(1);
  expect(cancellation.signal.aborted).toBeTrue();
  expect(cancellation.signal.reason).toBe("early");
});

test("a cancellation aborts a signal that was taken before", () => {
  const cancellation = new Cancellation();
  const { signal } = cancellation;
  expect(signal.aborted).toBeFalse();
  cancellation.cancel("now");
  expect(signal.aborted).toBeTrue();
  expect(signal.reason).toBe("now");
});

test("a listener that was taken back is not told, and the others are", () => {
  const cancellation = new Cancellation();
  const told: string[] = [];
  const off = cancellation.onCancel(() => told.push("a"));
  cancellation.onCancel(() => told.push("b"));
  off();
  off();
  cancellation.cancel("now");
  expect(told).toEqual(["b"]);
});

test("a listener that takes another back while told keeps nobody else from hearing it", () => {
  const cancellation = new Cancellation();
  const told: string[] = [];
  cancellation.onCancel(() => off());
  const off = cancellation.onCancel(() => told.push("taken back"));
  cancellation.onCancel(() => told.push("last"));
  cancellation.cancel("now");
  expect(told).toContain("last");
});
