import { describe, expect, test } from "bun:test";
import { Packr } from "msgpackr";
import { OperonError } from "../error.ts";
import { decode, encode } from "./codec.ts";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof OperonError ? error.code : `thrown ${String(error)}`;
  }
  return "accepted";
}

const bytes = (...parts: (number | Uint8Array)[]) =>
  new Uint8Array(parts.flatMap((part) => (typeof part === "number" ? [part] : [...part])));

describe("encode() and decode()", () => {
  const values: [string, unknown][] = [
    ["nil and booleans", [null, true, false]],
    ["integers of every size", [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32, 2 ** 53 - 1]],
    ["negative integers of every size", [-1, -32, -33, -128, -129, -32_769, -(2 ** 53 - 1)]],
    ["floats", [0.5, -1e300, 1.1, 2 ** 60]],
    ["texts of every length class", ["", "é", "a".repeat(31), "b".repeat(300), "c".repeat(70_000)]],
    ["texts that begin with a byte order mark", "\ufefftext"],
    ["nested maps and arrays", { a: { b: [{ c: [] }, {}] } }],
    ["keys that look like numbers", { "0": 1, "-1": 2 }],
    ["a map of 20 keys", Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))],
    ["an array of 70 items", Array.from({ length: 70 }, (_, i) => i)],
  ];
  for (const [name, value] of values) {
    test(`carry ${name}`, () => expect(decode(encode(value))).toEqual(value));
  }

  test("carry bytes of every length class as plain bytes, also of a Buffer", () => {
    for (const size of [0, 255, 256, 70_000])
      expect(decode(encode(new Uint8Array(size)))).toEqual(new Uint8Array(size));
    expect(decode(encode(Buffer.from("ab")))).toEqual(new Uint8Array([97, 98]));
  });

  test("leave out keys that are undefined and fill holes of arrays with nil", () => {
    expect(decode(encode({ a: undefined, b: [1, undefined, 3] }))).toEqual({ b: [1, null, 3] });
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    expect(decode(encode([1, , 3]))).toEqual([1, null, 3]);
  });

  test("give the caller bytes that a later call does not change", () => {
    const first = encode("first");
    encode("other");
    expect(decode(first)).toBe("first");
  });

  test("agree with another implementation's reading", () => {
    const other = new Packr({ useRecords: false, mapsAsObjects: true });
    const value = { operation: "fs.read", input: { path: "/é", list: [1, -2, 3.5, null, true] } };
    expect(other.unpack(encode(value))).toEqual(value);
    expect(decode(new Uint8Array(other.pack(value)))).toEqual(value);
  });

  test("write the bytes another implementation writes", () => {
    const other = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
    const all = [...values.map(([, value]) => value), new Uint8Array(300), "é".repeat(40), -0, {}];
    const texts = [31, 32, 63, 64, 65, 255, 256].flatMap((n) => ["x".repeat(n), "€".repeat(n)]);
    for (const value of [...all, ...texts])
      expect(encode(value).toHex()).toBe(new Uint8Array(other.pack(plain(value))).toHex());
  });

  test("carry a value whose getter encodes another", () => {
    const value = {
      before: "a".repeat(100),
      get inner() {
        return encode({ other: "b".repeat(200) });
      },
      after: "c".repeat(100),
    };
    const inner = encode({ other: "b".repeat(200) });
    expect(decode(encode(value))).toEqual({
      before: "a".repeat(100),
      inner,
      after: "c".repeat(100),
    });
  });
});

/** msgpackr treats plain `Uint8Array`s in its own way. */
function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}

describe("encode() refuses what a strict peer would", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const refused: [string, unknown][] = [
    ["NaN", Number.NaN],
    ["an infinity", [Number.POSITIVE_INFINITY]],
    ["a function", { f: () => 1 }],
    ["a symbol", Symbol("x")],
    ["a bigint", 1n],
    ["undefined", undefined],
    ["a Date", new Date(0)],
    ["a Map", new Map([["a", 1]])],
    ["an instance of a class", new (class Thing {})()],
    ["another typed array", new Uint16Array(2)],
    ["a key that reaches a prototype", JSON.parse('{"__proto__": 1}')],
    ["a key `constructor`", { constructor: 1 }],
    ["a lone surrogate", "\ud800"],
    ["a lone surrogate in a key", { "\ud800": 1 }],
    ["a key that is too long", { ["k".repeat(257)]: 1 }],
    ["a key that is too long as UTF-8", { ["é".repeat(129)]: 1 }],
    ["a value in itself", cyclic],
    ["too many elements", Array.from({ length: 65_536 }, () => 0)],
    ["a sparse array of great length", new Array(2 ** 31)],
  ];
  for (const [name, value] of refused) {
    test(name, () => expect(codeOf(() => encode(value))).toBe("wire.value_invalid"));
  }

  test("and accepts what is just within the limits", () => {
    let deep: unknown = 0;
    for (let level = 0; level < 32; level++) deep = [deep];
    expect(codeOf(() => decode(encode(deep)))).toBe("accepted");
    expect(codeOf(() => encode([deep]))).toBe("wire.value_invalid");
    const wide = Array.from({ length: 65_535 }, () => 0);
    expect(codeOf(() => decode(encode(wide)))).toBe("accepted");
    expect(codeOf(() => decode(encode({ ["k".repeat(256)]: 1 })))).toBe("accepted");
  });
});

describe("attack 9: decode() refuses hostile MessagePack", () => {
  test("every extension type", () => {
    for (const type of [0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
      const encoded = bytes(type, new Uint8Array(20));
      expect(codeOf(() => decode(encoded))).toBe("wire.encoding_invalid");
    }
  });

  test("a key twice, however it is spelled", () => {
    expect(codeOf(() => decode(bytes(0x82, 0xa1, 0x61, 1, 0xd9, 1, 0x61, 2)))).toBe(
      "wire.encoding_invalid",
    );
  });

  test("keys that reach a prototype at any depth, in any spelling, in a map of one key", () => {
    for (const key of ["__proto__", "constructor", "prototype"]) {
      const text = Buffer.from(key);
      const short = bytes(0x81, 0xa0 | text.length, text, 0xc0);
      const long = bytes(0x81, 0xda, 0, text.length, text, 0xc0);
      for (const encoded of [short, long, bytes(0x91, short), bytes(0x81, 0xa1, 0x61, long)])
        expect(codeOf(() => decode(encoded))).toBe("wire.encoding_invalid");
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("names of Object's methods are ordinary keys and shadow nothing", () => {
    const map = decode(encode({ toString: 1, hasOwnProperty: 2 })) as Record<string, unknown>;
    expect(Object.keys(map)).toEqual(["toString", "hasOwnProperty"]);
  });

  test("every truncation of a valid value", () => {
    const whole = encode({
      a: [1, 300, -70_000, 1.5, "text", new Uint8Array(300)],
      b: { c: null },
    });
    for (let length = 0; length < whole.byteLength; length++)
      expect(codeOf(() => decode(whole.subarray(0, length)))).toBe("wire.encoding_invalid");
  });

  test("random bytes: an error of ours or a value that encodes again, never anything else", () => {
    let state = 12_345;
    const next = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16;
    };
    for (let round = 0; round < 5000; round++) {
      const noise = Uint8Array.from({ length: next() % 24 }, () => next() & 0xff);
      const code = codeOf(() => encode(decode(noise)));
      expect(["accepted", "wire.encoding_invalid"]).toContain(code);
    }
  });

  test("declared lengths past the end are refused before anything is made for them", () => {
    const startBytes = process.memoryUsage().rss;
    for (const type of [0xc6, 0xdb, 0xdd, 0xdf]) {
      const encoded = bytes(type, 0xff, 0xff, 0xff, 0xff, new Uint8Array(16));
      for (let round = 0; round < 1000; round++)
        expect(codeOf(() => decode(encoded))).toBe("wire.encoding_invalid");
    }
    expect(process.memoryUsage().rss - startBytes).toBeLessThan(64 * 1024 * 1024);
  });
});
