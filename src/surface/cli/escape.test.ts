import { describe, expect, test } from "bun:test";
import { escapeLines, escapeText, jsonLine } from "./escape.ts";

describe("escapeText()", () => {
  test.each([
    ["plain text, ünïcödé, 名前, 😀", "plain text, ünïcödé, 名前, 😀"],
    ["\u001b[31m", "\\x1b[31m"],
    ["a\nb\rc\td", "a\\nb\\rc\\td"],
    ["\u0000\u0007\u007f", "\\x00\\x07\\x7f"],
    ["\u009b2J\u0085", "\\x9b2J\\x85"],
    ["\u202eevil\u2066", "\\u202eevil\\u2066"],
    ["\u2028\u2029\u200b\ufeff", "\\u2028\\u2029\\u200b\\ufeff"],
    ["\u{e0041}", "\\u{e0041}"],
    ["\ud800", "\\ud800"],
  ])("%j becomes %j", (text, expected) => {
    expect(escapeText(text)).toBe(expected);
  });
  test("attack 27: no control character survives", () => {
    for (let code = 0; code < 0xa0; code++) {
      const isPrintable = code >= 0x20 && code < 0x7f;
      const character = String.fromCharCode(code);
      expect(escapeText(character) === character).toBe(isPrintable);
    }
  });
  test("escapeLines() keeps line feeds and nothing else", () => {
    expect(escapeLines("a\nb\r\u001b")).toBe("a\nb\\r\\x1b");
  });
});

describe("jsonLine()", () => {
  test("attack 27: what a terminal would obey is escaped, and the value is the same", () => {
    const hostile = `\u009b2J\u007f\u202eevil\u2066\u{e0041}\u001b[31m\u2028 名前 😀`;
    const line = jsonLine({ [hostile]: hostile });
    expect(JSON.parse(line)).toEqual({ [hostile]: hostile });
    expect(line).toBe(`${escapeText(line.trimEnd())}\n`);
    expect(line).toContain("名前 😀");
  });

  test("a value JSON has no form for is null", () => {
    expect(jsonLine(undefined)).toBe("null\n");
  });
});
