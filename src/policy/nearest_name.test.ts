import { expect, test } from "bun:test";
import { nearestName, suggest } from "./nearest_name.ts";

test("nearestName() finds a slip", () => {
  const names = ["principals", "roles", "mounts", "exec"];
  expect(nearestName("principls", names)).toBe("principals");
  expect(nearestName("Role", names)).toBe("roles");
  expect(nearestName("ecex", names)).toBe("exec");
});

test("nearestName() finds nothing when nothing is close", () => {
  expect(nearestName("somebody-else", ["alice", "bob"])).toBeUndefined();
  expect(nearestName("x", [])).toBeUndefined();
  expect(nearestName("x".repeat(10_000), ["x"])).toBeUndefined();
});

test("suggest() lists what there is, within reason", () => {
  expect(suggest("zzzzzz", ["a", "b"])).toBe("Known: a, b");
  expect(suggest("zzzzzz", [])).toBe("There are none");
  expect(
    suggest(
      "zzzzzz",
      Array.from({ length: 50 }, (_, i) => `n${i}`),
    ),
  ).toEndWith("and 38 more");
});
