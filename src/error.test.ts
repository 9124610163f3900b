import { expect, test } from "bun:test";
import { OperonError, toOperonError } from "./error.ts";

const first = new OperonError({ code: "audit.unavailable", kind: "unavailable", message: "Full" });

function failingTwice(): void {
  using _scope = {
    [Symbol.dispose]() {
      throw new Error("The clean-up failed, too");
    },
  };
  throw first;
}

test("toOperonError() tells what failed first when the clean-up after it failed, too", () => {
  try {
    failingTwice();
  } catch (thrown) {
    expect(thrown).not.toBe(first);
    expect(toOperonError(thrown)).toBe(first);
  }
  expect.assertions(2);
});

test("toOperonError() keeps what is no error of operon's to itself", () => {
  const cause = new Error("a secret");
  const error = toOperonError(cause);
  expect(error).toMatchObject({ code: "node.internal", cause });
  expect(JSON.stringify(error)).not.toContain("secret");
});
