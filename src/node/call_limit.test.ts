import { expect, test } from "bun:test";
import { CallLimit } from "./call_limit.ts";

test("attack 10: enter() refuses a key's call past the limit, and others' not", () => {
  const limit = new CallLimit(2);
  const calls = [limit.enter("a"), limit.enter("a")];
  expect(() => limit.enter("a")).toThrow("2 calls");
  using _other = limit.enter("b");
  calls[0]?.[Symbol.dispose]();
  calls.push(limit.enter("a"));
  expect(() => limit.enter("a")).toThrow("2 calls");
});

test("enter() takes as many as ever after all have left", () => {
  const limit = new CallLimit(1);
  for (let index = 0; index < 3; index++) {
    using _call = limit.enter("a");
    expect(() => limit.enter("a")).toThrow("1 calls");
  }
});
