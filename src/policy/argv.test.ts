import { describe, expect, test } from "bun:test";
import { matchArgv, matchProgram, matchWord } from "./argv.ts";

describe("matchArgv()", () => {
  test.each([
    [["make"], ["/usr/bin/make"]],
    [
      ["make", "*"],
      ["make", "test"],
    ],
    [
      ["make", "*"],
      ["make", ""],
    ],
    [["make", "**"], ["make"]],
    [
      ["rm", "-rf", "**"],
      ["/bin/rm", "-rf", "/", "/home"],
    ],
    [
      ["git", "log", "**", "--oneline"],
      ["git", "log", "-n", "3", "--oneline"],
    ],
    [["/usr/bin/make"], ["/usr/bin/make"]],
    [["/usr/bin/*"], ["/usr/bin/make"]],
    [
      ["npm", "run", "test:*"],
      ["npm", "run", "test:unit"],
    ],
    [["python3.?"], ["/usr/bin/python3.9"]],
    [["**"], ["anything", "at", "all"]],
    [
      ["cat", "/srv/*"],
      ["cat", "/srv/a/b"],
    ],
  ])("matches %j with %j", (pattern, argv) => {
    expect(matchArgv(pattern, argv)).toBe(true);
  });

  test.each([
    [["make"], ["make", "test"]],
    [["make", "*"], ["make"]],
    [
      ["make", "*"],
      ["make", "a", "b"],
    ],
    [["make"], ["/usr/bin/cmake"]],
    [["make"], ["/usr/bin/make/"]],
    [["/usr/bin/make"], ["make"]],
    [["/usr/bin/make"], ["/tmp/usr/bin/make"]],
    [
      ["rm", "-rf", "**"],
      ["rm", "-r", "-f", "/"],
    ],
    [
      ["git", "log", "**", "--oneline"],
      ["git", "log", "--oneline", "x"],
    ],
    [["make"], []],
    [[], ["make"]],
    [
      ["npm", "run", "test:*"],
      ["npm", "run", "test"],
    ],
  ])("refuses %j with %j", (pattern, argv) => {
    expect(matchArgv(pattern, argv)).toBe(false);
  });

  test("takes little time when hostile words meet many stars", () => {
    const started = performance.now();
    const words = new Array(4096).fill("a");
    expect(matchArgv(["x", ...new Array(50).fill(["**", "a"]).flat(), "b"], ["x", ...words])).toBe(
      false,
    );
    expect(matchWord(`${"*a".repeat(100)}b`, "a".repeat(4096))).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

test("matchProgram() compares the last component when the pattern has no slash", () => {
  expect(matchProgram("sh", "/bin/sh")).toBe(true);
  expect(matchProgram("sh", "/bin/bash")).toBe(false);
  expect(matchProgram("*sh", "/opt/sh/bash")).toBe(true);
  expect(matchProgram("*sh", "/opt/sh/x")).toBe(false);
});
