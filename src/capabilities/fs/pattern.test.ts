import { describe, expect, test } from "bun:test";
import { compilePattern } from "./pattern.ts";

const plain = { fixed: false, ignoreCase: false };
const matches = (pattern: string, line: string, options = plain) =>
  compilePattern(pattern, options)(line);

const PATTERNS = [
  "a",
  "abc",
  "a.c",
  "^a",
  "a$",
  "^$",
  "^a*$",
  "a+b",
  "a?b",
  "(ab|cd)+",
  "(?:ab|c*d)$",
  "a{2}",
  "a{2,}b",
  "a{1,3}c",
  "[a-c]x",
  "[^a-c]x",
  "[\\d_-]+",
  "\\d+\\.\\d*",
  "\\bfoo\\b",
  "\\Boo",
  "\\w+@\\w+",
  "\\s",
  "\\S+\\s\\S+",
  "x*",
  "(a|b)*c|d",
  "a\\.b",
  "\\x41",
  "\\u00e9",
  "[]a]".replace("[]", "[\\]"),
  "(a*)*b",
  "(^|x)a",
  "a|",
  "é+",
  "[à-ü]",
  "}{",
  "a{,3}",
];
const LINES = [
  "",
  "a",
  "b",
  "abc",
  "xabcx",
  "aab",
  "aaac",
  "cdab",
  "foo",
  "food",
  "a foo b",
  "1.5",
  "x@y",
  "a.b",
  "A",
  "éé",
  "ax",
  "dx",
  "-_9",
  "cd",
  "]",
  "}{",
  "a{,3}",
];

describe("compilePattern()", () => {
  for (const pattern of PATTERNS) {
    test(`says of ${pattern} what the language's own expressions say`, () => {
      for (const line of LINES) {
        expect([line, matches(pattern, line)]).toEqual([line, new RegExp(pattern).test(line)]);
        const ignoring = { fixed: false, ignoreCase: true };
        const own = new RegExp(pattern, "i").test(line);
        expect([line, matches(pattern, line, ignoring)]).toEqual([line, own]);
      }
    });
  }

  test("takes a fixed text as it stands", () => {
    expect(matches("a.c(", "xa.c(x", { fixed: true, ignoreCase: false })).toBe(true);
    expect(matches("a.c", "abc", { fixed: true, ignoreCase: false })).toBe(false);
    expect(matches("A.c(", "xa.C(x", { fixed: true, ignoreCase: true })).toBe(true);
  });

  test("refuses what cannot be matched in linear time, and what is malformed", () => {
    for (const pattern of [
      "(?=a)",
      "(?<n>a)",
      "(?i)a",
      "(a)\\1",
      "\\k<n>",
      "(a",
      "a)",
      "[a",
      "*a",
      "a{3,2}",
      "a{9999}",
      "\\",
      "\\q",
      "[z-a]",
      "^*",
      "\\xg1",
    ]) {
      expect(() => compilePattern(pattern, plain)).toThrow();
    }
  });

  test("refuses expressions that grow too large, at once", () => {
    for (const pattern of [
      "(a{100}){100}",
      "((a{30}){30}){30}",
      "(".repeat(200) + ")".repeat(200),
    ]) {
      expect(() => compilePattern(pattern, plain)).toThrow();
    }
  });

  test("matches in linear time what makes others try for ever", () => {
    const line = `${"a".repeat(16_000)}!`;
    const startMs = performance.now();
    for (const pattern of ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*a){12}$", "(a|a?)+b"]) {
      expect(matches(pattern, line)).toBe(false);
    }
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test("stays right when it forgets states, and bounded in memory", () => {
    const test = compilePattern("a[ab]{12}c", plain);
    let line = "";
    for (let i = 0, bits = 1; i < 16_000; i++) {
      bits = (bits * 1_103_515_245 + 12_345) % 2_147_483_648;
      line += bits & 65_536 ? "a" : "b";
    }
    expect(test(line)).toBe(false);
    expect(test(`${line}abbabababababc`)).toBe(true);
  });
});
