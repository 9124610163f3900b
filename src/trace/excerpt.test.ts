import { describe, expect, test } from "bun:test";
import { excerpt, LogTailBuffer } from "./excerpt.ts";

describe("excerpt()", () => {
  test("leaves small values as they are", () => {
    const value = { a: "text", b: [1, true, null], c: { d: "ü€😀" } };
    expect(excerpt(value, 1_000)).toEqual(value);
  });

  test("cuts long texts deep inside and says how much is missing", () => {
    const cut = excerpt({ a: [{ b: "x".repeat(1_000) }] }, 100);
    expect(cut).toEqual({ a: [{ b: `${"x".repeat(100)}…(900 more bytes)` }] });
  });

  test("counts bytes, not characters, and cuts no character in half", () => {
    expect(excerpt("€".repeat(10), 10)).toBe("€€€…(21 more bytes)");
    expect(excerpt("€".repeat(10), 30)).toBe("€".repeat(10));
  });

  test("shows bytes as base64 and cuts them too", () => {
    expect(excerpt(new Uint8Array([1, 2, 3]), 100)).toBe("base64:AQID");
    expect(excerpt(new Uint8Array(1_000), 100)).toContain("…(925 more bytes)");
  });

  test("stays within its bound whatever it is given", () => {
    const wide = Array.from({ length: 5_000 }, (_, i) => ({ [`key ${i}`]: "x".repeat(50) }));
    let deep: unknown = "end";
    for (let i = 0; i < 5_000; i++) deep = { deep };
    const size = Buffer.byteLength(JSON.stringify(excerpt({ wide, deep }, 2_000)));
    expect(size).toBeLessThan(10_000);
  });

  test("does not share parts with the original", () => {
    const value = { list: [1] };
    const copy = excerpt(value, 100) as typeof value;
    copy.list.push(2);
    expect(value.list).toEqual([1]);
  });
});

describe("LogTailBuffer", () => {
  test("keeps a short stream whole", () => {
    const tail = new LogTailBuffer(10);
    tail.append(Buffer.from("abc"));
    tail.append(Buffer.from("de"));
    expect(tail.toLogTail()).toEqual({
      encoding: "utf8",
      tail: "abcde",
      bytes: 5,
      truncated: false,
    });
  });

  test("keeps the last bytes of a long one, however it is cut into chunks", () => {
    const text = Array.from({ length: 500 }, (_, i) => String(i)).join(",");
    for (const size of [1, 3, 7, 16, 17, 64, 5_000]) {
      const tail = new LogTailBuffer(16);
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size) tail.append(bytes.subarray(at, at + size));
      expect(tail.toLogTail()).toEqual({
        encoding: "utf8",
        tail: text.slice(-16),
        bytes: bytes.length,
        truncated: true,
      });
    }
  });

  test("does not begin in the middle of a character", () => {
    const tail = new LogTailBuffer(7);
    tail.append(Buffer.from("€€€€"));
    expect(tail.toLogTail()).toMatchObject({ encoding: "utf8", tail: "€€", truncated: true });
  });

  test("shows what is not text as base64", () => {
    const tail = new LogTailBuffer(4);
    tail.append(new Uint8Array([0xff, 0xfe, 0, 1]));
    expect(tail.toLogTail()).toMatchObject({ encoding: "base64", tail: "//4AAQ==" });
  });

  test("of nothing is empty", () => {
    expect(new LogTailBuffer(4).toLogTail()).toEqual({
      encoding: "utf8",
      tail: "",
      bytes: 0,
      truncated: false,
    });
  });
});
