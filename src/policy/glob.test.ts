import { describe, expect, test } from "bun:test";
import { compileGlob, GLOB_LENGTH_MAX, isWithin } from "./glob.ts";

const matches = (pattern: string, text: string) => compileGlob(pattern).matches(text);

describe("compileGlob()", () => {
  const matching: [string, string][] = [
    ["fs:workspace/a.ts", "fs:workspace/a.ts"],
    ["fs:workspace/*.ts", "fs:workspace/a.ts"],
    ["fs:workspace/*.ts", "fs:workspace/.ts"],
    ["fs:workspace/**", "fs:workspace/"],
    ["fs:workspace/**", "fs:workspace/a/b/c"],
    ["fs:workspace/secrets/**", "fs:workspace/secrets"],
    ["fs:workspace/secrets/**", "fs:workspace/secrets/"],
    ["fs:workspace/secrets/**", "fs:workspace/secrets/deep/er/key"],
    ["fs:workspace/**/.env", "fs:workspace/.env"],
    ["fs:workspace/**/.env", "fs:workspace/a/b/.env"],
    ["fs:**/.env", "fs:workspace/.env"],
    ["fs:workspace/**.pem", "fs:workspace/a/b.pem"],
    ["fs:workspace/*/src/**", "fs:workspace/app/src"],
    ["fs:workspace/*/src/**", "fs:workspace/app/src/x"],
    ["fs:workspace/**/**/x", "fs:workspace/x"],
    ["fs:workspace/**/**", "fs:workspace"],
    ["fs:*/README", "fs:data/README"],
    ["secret:TOKEN_?", "secret:TOKEN_1"],
    ["secret:?", "secret:😀"],
    ["/ci/**", "/ci"],
    ["/**", "/"],
    ["/**/x", "/x"],
    ["**", ""],
    ["**", "anything/at:all"],
    ["a**b**c", "a/x/b/y/c"],
    ["fs:w/[a]{b,c}!", "fs:w/[a]{b,c}!"],
  ];
  const failing: [string, string][] = [
    ["fs:workspace/a.ts", "fs:workspace/a.ts/"],
    ["fs:workspace/a.ts", "fs:workspace/A.ts"],
    ["fs:workspace/a.ts", "xfs:workspace/a.ts"],
    ["fs:workspace/*.ts", "fs:workspace/b/a.ts"],
    ["fs:workspace/*", "fs:workspace"],
    ["fs:workspace/secrets/**", "fs:workspace/secrets_evil"],
    ["fs:workspace/secrets/**", "fs:workspace/secret"],
    ["fs:workspace/**/.env", "fs:workspace/a.env"],
    ["fs:workspace/**/.env", "fs:workspace/a/x.env"],
    ["fs:workspace/**/.env", "fs:workspace/.env/x"],
    ["fs:workspace/*/src/**", "fs:workspace/src"],
    ["fs:workspace/*/src/**", "fs:workspace/a/b/src"],
    ["fs:*/README", "fs:data/x/README"],
    ["secret:TOKEN_?", "secret:TOKEN_"],
    ["secret:TOKEN_?", "secret:TOKEN_/"],
    ["secret:?", "secret:ab"],
    ["secret:?", "secret:😀😀"],
    ["/ci/**", "/cigar"],
    ["a.c", "abc"],
    ["fs:w/[ab]", "fs:w/a"],
    ["fs:w/{a,b}", "fs:w/a"],
  ];
  test.each(matching)("matches %s with %s", (pattern, text) => {
    expect(matches(pattern, text)).toBe(true);
  });
  test.each(failing)("refuses %s with %s", (pattern, text) => {
    expect(matches(pattern, text)).toBe(false);
  });

  test.each([
    ["empty", ""],
    ["NUL", "fs:a\0"],
    ["newline", "fs:a\n"],
    ["DEL", "fs:\x7f"],
  ])("refuses a pattern with %s", (_what, pattern) => {
    expect(() => compileGlob(pattern)).toThrow("is not a pattern");
  });

  test("refuses a pattern longer than the limit", () => {
    expect(() => compileGlob("a".repeat(GLOB_LENGTH_MAX + 1))).toThrow("is not a pattern");
    expect(matches("a".repeat(GLOB_LENGTH_MAX), "a".repeat(GLOB_LENGTH_MAX))).toBe(true);
  });

  test("takes linear time when a hostile text meets many stars", () => {
    const pattern = `fs:w/${"*a".repeat(100)}*b`;
    const deep = `fs:w/${"**/a*".repeat(60)}/b`;
    const started = performance.now();
    expect(matches(pattern, `fs:w/${"a".repeat(4096)}`)).toBe(false);
    expect(matches(pattern, `fs:w/${"a".repeat(4096)}c`)).toBe(false);
    expect(matches(deep, `fs:w/${"a/".repeat(2048)}c/b`)).toBe(false);
    expect(matches("**a**a**a**a**a**a**a**a**z**b", `${"a".repeat(20_000)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test("agrees with a plain translation to a regular expression on every short text", () => {
    const texts = everyText(["a", "b", "/"], 5);
    for (const pattern of everyText(["a", "/", "*", "**", "?"], 4)) {
      if (/\*\*\*/.test(pattern)) continue;
      const glob = compileGlob(pattern);
      const expected = toRegExp(pattern);
      for (const text of texts) {
        if (glob.matches(text) !== expected.test(text)) {
          throw new Error(`${pattern} with ${text}: expected ${expected.test(text)}`);
        }
      }
    }
  });
});

describe("isWithin()", () => {
  test("holds for the folder and what is below it", () => {
    expect(isWithin("/a", "/a")).toBe(true);
    expect(isWithin("/a/b", "/a")).toBe(true);
  });
  test("fails for a sibling with the same start", () => {
    expect(isWithin("/a_evil", "/a")).toBe(false);
    expect(isWithin("/", "/a")).toBe(false);
  });
});

function everyText(parts: readonly string[], length: number): string[] {
  let last = [""];
  const all: string[] = [];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((start) => parts.map((part) => start + part));
    all.push(...last);
  }
  return all;
}

/** The documented meaning, written the obvious way (which backtracks). */
function toRegExp(pattern: string): RegExp {
  let normal = pattern;
  while (normal.includes("/**/**")) normal = normal.replaceAll("/**/**", "/**");
  const source = normal
    .replace(/\/\*\*$/, "\u0001")
    .replace(/(^|\/)\*\*\//g, "$1\u0002")
    .replace(/(^|\/)\*\*\//g, "$1\u0002")
    .replace(/\*\*/g, "\u0003")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]")
    .replaceAll("\u0001", "(?:/.*)?")
    .replaceAll("\u0002", "(?:.*/)?")
    .replaceAll("\u0003", ".*");
  return new RegExp(`^${source}$`, "s");
}
