import { describe, expect, test } from "bun:test";
import { JsonBytes } from "./json_bytes.ts";

/** Puts the lines back together, as a program that reads them does. */
function joined(lines: string): Map<string | undefined, Buffer> {
  const channels = new Map<string | undefined, Buffer>();
  for (const line of lines.split("\n").filter((one) => one !== "")) {
    const { channel, text, base64 } = JSON.parse(line);
    expect((text === undefined) !== (base64 === undefined)).toBe(true);
    const bytes = text === undefined ? Buffer.from(base64, "base64") : Buffer.from(text);
    channels.set(channel, Buffer.concat([channels.get(channel) ?? Buffer.alloc(0), bytes]));
  }
  return channels;
}

describe("JsonBytes", () => {
  test("a character cut in two comes whole", () => {
    const bytes = Buffer.from("a€😀");
    for (let cut = 0; cut <= bytes.length; cut++) {
      const json = new JsonBytes([]);
      const lines =
        json.add(0, bytes.subarray(0, cut)) + json.add(0, bytes.subarray(cut)) + json.end();
      expect(lines).not.toContain("base64");
      expect(joined(lines).get(undefined)?.toString()).toBe("a€😀");
    }
  });
  test("channels do not mix", () => {
    const json = new JsonBytes(["stdout", "stderr"]);
    const euro = Buffer.from("€");
    const lines =
      json.add(0, euro.subarray(0, 1)) +
      json.add(1, Buffer.from("x")) +
      json.add(0, euro.subarray(1)) +
      json.end();
    expect(lines).toBe('{"channel":"stderr","text":"x"}\n{"channel":"stdout","text":"€"}\n');
  });
  test("what is no UTF-8 comes as base64, byte for byte", () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 1, 2, 3], [0x80]]) {
      const json = new JsonBytes([]);
      const lines = json.add(0, new Uint8Array(bytes)) + json.end();
      expect([...(joined(lines).get(undefined) ?? [])]).toEqual(bytes);
      expect(lines).toContain("base64");
    }
  });
  test("a character that never becomes whole is not lost", () => {
    const json = new JsonBytes([]);
    expect(json.add(0, new Uint8Array([0xe2, 0x82]))).toBe("");
    expect(json.end()).toBe('{"base64":"4oI="}\n');
    expect(json.end()).toBe("");
  });
  test("a byte that begins no character is not waited on", () => {
    const json = new JsonBytes([]);
    expect(json.add(0, new Uint8Array([0xff, 0xfe]))).toBe('{"base64":"//4="}\n');
  });
  test("a byte order mark is kept", () => {
    const json = new JsonBytes([]);
    expect(joined(json.add(0, Buffer.from("\ufeffx"))).get(undefined)?.length).toBe(4);
  });
  test("any bytes in any pieces come back exactly", () => {
    let state = 7;
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % below;
    };
    for (let round = 0; round < 200; round++) {
      const whole = Buffer.from(
        Array.from({ length: random(40) }, () => (random(3) ? random(256) : 0xe2)),
      );
      const json = new JsonBytes(["a"]);
      let lines = "";
      for (let offset = 0; offset < whole.length; ) {
        const size = 1 + random(6);
        lines += json.add(0, whole.subarray(offset, offset + size));
        offset += size;
      }
      lines += json.end();
      expect((joined(lines).get("a") ?? Buffer.alloc(0)).equals(whole)).toBe(true);
    }
  });
});
