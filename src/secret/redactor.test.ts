import { describe, expect, test } from "bun:test";
import { NeedleTree, ROOT } from "./needle_tree.ts";
import { RedactionPass } from "./redaction_pass.ts";
import { Redactor } from "./redactor.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString();

/** Small numbers that look like chance and are the same each time (mulberry32). */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The stream cut anywhere, redacted. */
function inPieces(redactor: Pick<Redactor, "push" | "flush">, stream: string, cut: () => number) {
  const all = bytes(stream);
  const shown: Uint8Array[] = [];
  for (let at = 0; at < all.byteLength; ) {
    const to = Math.min(at + cut(), all.byteLength);
    // A copy whose memory is used again: nothing of the caller's may be kept.
    const chunk = all.slice(at, to);
    shown.push(redactor.push(chunk).slice());
    chunk.fill(0);
    at = to;
  }
  return text([...shown, redactor.flush()]);
}

/** The same, from the whole text: every occurrence marked, overlapping ones as one, named by the first and longest. */
function oracle(stream: string, needles: readonly string[]): string {
  const found: { start: number; end: number; name: string }[] = [];
  for (const [index, needle] of needles.entries())
    for (let at = stream.indexOf(needle); at >= 0; at = stream.indexOf(needle, at + 1))
      found.push({ start: at, end: at + needle.length, name: String(index) });
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  let shown = "";
  let position = 0;
  for (let at = 0; at < found.length; ) {
    const { start, name } = found[at]!;
    let { end } = found[at]!;
    for (at++; at < found.length && found[at]!.start < end; at++)
      end = Math.max(end, found[at]!.end);
    shown += `${stream.slice(position, start)}[redacted ${name}]`;
    position = end;
  }
  return shown + stream.slice(position);
}

describe("a pass over a stream", () => {
  test("shows what a look at the whole text would, however the stream is cut", () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = chance(seed);
      const word = (most: number) =>
        Array.from({ length: 1 + random(most) }, () => "abc"[random(3)]).join("");
      const needles = [...new Set(Array.from({ length: 1 + random(4) }, () => word(6)))];
      const stream = word(60);
      const named = needles.map((needle, index) => ({ name: String(index), bytes: bytes(needle) }));
      const shown = inPieces(new RedactionPass(named, false), stream, () => 1 + random(7));
      expect({ seed, needles, stream, shown }).toEqual({
        seed,
        needles,
        stream,
        shown: oracle(stream, needles),
      });
    }
  });

  test("finds a needle that was wrapped anywhere behind its beginning", () => {
    const needle = "QWxhZGRpbjpvcGVuIHNlc2FtZQ";
    for (let at = 4; at < needle.length; at++)
      for (const end of ["\n", "\r\n"]) {
        const pass = new RedactionPass([{ name: "N", bytes: bytes(needle) }], true);
        const stream = `x${needle.slice(0, at)}${end}${needle.slice(at)}y`;
        expect(inPieces(pass, stream, () => 1)).toBe("x[redacted N]y");
      }
  });

  test("holds nothing back that ends no needle's beginning", () => {
    const pass = new RedactionPass([{ name: "N", bytes: bytes("secret-value") }], false);
    expect(text([pass.push(bytes("a line\n"))])).toBe("a line\n");
    expect(text([pass.push(bytes("my sec"))])).toBe("my ");
    expect(text([pass.push(bytes("ond line"))])).toBe("second line");
  });

  test("holds no more than a needle, whatever comes", () => {
    const pass = new RedactionPass([{ name: "N", bytes: bytes("aaaaaaaa") }], false);
    const chunk = bytes("a".repeat(100_000));
    for (let round = 0; round < 20; round++) expect(pass.push(chunk).byteLength).toBe(0);
    expect(text([pass.push(bytes("b"))])).toBe("[redacted N]b");
  });

  test("lets line breaks without end go by", () => {
    const pass = new RedactionPass([{ name: "N", bytes: bytes("QWxhZGRpbjpv") }], true);
    pass.push(bytes("QWxhZ"));
    expect(text([pass.push(bytes("\n".repeat(1000)))])).toBe(`QWxhZ${"\n".repeat(1000)}`);
  });

  test("shows a short beginning when asked to, and still hides the rest", () => {
    const pass = new RedactionPass([{ name: "N", bytes: bytes("secret-value") }], false);
    expect(text([pass.push(bytes("se"))])).toBe("");
    expect(text([pass.release()])).toBe("se");
    expect(text([pass.push(bytes("cret"))])).toBe("");
    expect(text([pass.release()])).toBe("");
    expect(text([pass.push(bytes("-value!"))])).toBe("[redacted N]!");
  });
});

describe("a redactor", () => {
  const value = 'p4ss/w+rd "ä" & more~!';

  test.each([
    ["as it is", value],
    ["in JSON", JSON.stringify(value).slice(1, -1)],
    ["in JSON of ASCII only", 'p4ss/w+rd \\"\\u00e4\\" & more~!'],
    ["in a URL", encodeURIComponent(value)],
    [
      "in a URL, in lower case",
      encodeURIComponent(value).replace(/%../g, (at) => at.toLowerCase()),
    ],
    ["in a form", new URLSearchParams({ a: value }).toString().slice(2)],
    ["in base64", Buffer.from(value).toString("base64")],
    ["in base64 for URLs", Buffer.from(value).toString("base64url")],
  ])("hides a value %s", (_how, spelling) => {
    for (const size of [1, 2, 3, 5, 8, 1000]) {
      const shown = inPieces(new Redactor({ KEY: value }), `before ${spelling} after`, () => size);
      expect(shown).toBe("before [redacted KEY] after");
    }
  });

  test("hides a value in the midst of what base64 made of a longer text", () => {
    for (const before of ["", "u", "us", "use"])
      for (const after of ["", "r", "er", "ser"]) {
        const encoded = Buffer.from(`${before}${value}${after}`).toString("base64");
        const shown = inPieces(new Redactor({ KEY: value }), encoded, () => 3);
        const rest = shown.replace("[redacted KEY]", "");
        expect(shown).toContain("[redacted KEY]");
        expect(rest.length).toBeLessThanOrEqual(10);
      }
  });

  test("hides a long value that base64 wrapped into lines", () => {
    const long = "0123456789abcdef".repeat(40);
    const wrapped = Buffer.from(long)
      .toString("base64")
      .replace(/.{76}/g, (line) => `${line}\n`);
    const shown = inPieces(new Redactor({ KEY: long }), `${wrapped}\n`, () => 50);
    expect(shown).toBe("[redacted KEY]\n");
  });

  test("hides lines a terminal ended with both characters", () => {
    const key = "-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----";
    const shown = inPieces(new Redactor({ KEY: key }), key.replaceAll("\n", "\r\n"), () => 4);
    expect(shown).toBe("[redacted KEY]");
  });

  test("leaves everything else as it is, byte for byte", () => {
    const random = chance(7);
    const noise = Uint8Array.from({ length: 50_000 }, () => random(256));
    const redactor = new Redactor({ KEY: value });
    const shown: Uint8Array[] = [];
    for (let at = 0; at < noise.byteLength; at += 997)
      shown.push(redactor.push(noise.subarray(at, at + 997)));
    expect(Buffer.concat([...shown, redactor.flush()]).equals(noise)).toBeTrue();
  });
});

test("a tree finds the longest of several needles that end at one place", () => {
  const tree = new NeedleTree([
    { name: "SHORT", bytes: bytes("bc") },
    { name: "LONG", bytes: bytes("abc") },
  ]);
  const state = bytes("xabc").reduce((at, byte) => tree.next(at, byte), ROOT);
  expect(tree.found(state)).toEqual({ name: "LONG", length: 3 });
  expect(tree.found(ROOT)).toBeUndefined();
});
