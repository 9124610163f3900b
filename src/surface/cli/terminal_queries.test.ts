import { expect, test } from "bun:test";
import { QueryFilter } from "./terminal_queries.ts";

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

/** What is shown of old output, cut into chunks of this many bytes. */
function old(text: string, chunkBytes = text.length): string {
  const filter = new QueryFilter();
  let shown = "";
  for (let at = 0; at < text.length; at += chunkBytes) {
    shown += textOf(
      filter.pass(bytesOf(text.slice(at, at + chunkBytes)), Number.POSITIVE_INFINITY),
    );
  }
  return shown + textOf(filter.pass(new Uint8Array(0), 0));
}

const QUERIES = [
  ...["\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[>0c", "\x1b[=0c", "\x1bZ", "\x05"],
  ...["\x1b[5n", "\x1b[6n", "\x1b[?6n", "\x1b[?996n", "\x1b[4$p", "\x1b[?2026$p"],
  ...["\x1b[>q", "\x1b[>0q", "\x1b[?u", "\x1b[?4m", "\x1b[0x", "\x1b[?1;1;0S"],
  ...["\x1b[11t", "\x1b[14t", "\x1b[14;2t", "\x1b[16t", "\x1b[18t", "\x1b[21t"],
  ...["\x1bP$qm\x1b\\", "\x1bP+q544e;524742\x1b\\"],
  ...["\x1b]10;?\x07", "\x1b]11;?\x1b\\", "\x1b]4;1;?\x07", "\x1b]12;?;?\x07", "\x1b]52;c;?\x07"],
  ...["\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", "\x1bPtmux;\x1b\x1b[6n\x1b\\"],
];

const SHOWN = [
  ...["\x1b[1;31m", "\x1b[6A", "\x1b[?6h", "\x1b[2J", "\x1b[?1049h", "\x1b[?6c", "\x1b[>4;2m"],
  ...[
    "\x1b[>4n",
    "\x1b[!p",
    '\x1b[61"p',
    "\x1b[2 q",
    "\x1b[u",
    "\x1b[>1u",
    "\x1b[<u",
    "\x1b[=1;1u",
  ],
  ...[
    "\x1b[22;0;0t",
    "\x1b[8;24;80t",
    "\x1b[2S",
    "\x1b[?1;3;256S",
    "\x1bc",
    "\x1b7",
    "\x1b(B",
    "\x1b=",
  ],
  ...["\x1bP+p544e\x1b\\", "\x1bPq#0;2;0;0;0#0~~\x1b\\", "\x1bPtmux;\x1b\x1b[1m?\x1b\\"],
  ...[
    "\x1b]0;what?\x07",
    "\x1b]0;?\x07",
    "\x1b]11;#fff\x07",
    "\x1b]4;1;red\x1b\\",
    "\x1b]52;c;YQ==\x07",
  ],
  ...["\x1b]8;;http://a/?b;?\x1b\\", "\x1b_Gi=1,a=T;AAAA\x1b\\", "6n", "[6n", "\xc3\x9b6n"],
];

test.each(QUERIES)("a QueryFilter takes %j out of old output, however it is cut", (query) => {
  for (const chunkBytes of [1, 2, 3, 100]) {
    expect(old(`before${query}after`, chunkBytes)).toBe("beforeafter");
    expect(old(`${query}${query}`, chunkBytes)).toBe("");
  }
});

test.each(SHOWN)("a QueryFilter leaves %j as it is, however it is cut", (text) => {
  for (const chunkBytes of [1, 2, 3, 100]) {
    expect(old(`before${text}after`, chunkBytes)).toBe(`before${text}after`);
    expect(old(text, chunkBytes)).toBe(text);
  }
});

test("a QueryFilter passes all bytes but one, which asks", () => {
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  expect(old(textOf(all), 7)).toBe(textOf(all.filter((byte) => byte !== 0x05)));
});

test("a QueryFilter leaves what is not old as it is, also in one piece with what is", () => {
  const filter = new QueryFilter();
  const chunk = bytesOf("a\x1b[6nb\x1b[6n");
  expect(textOf(filter.pass(chunk, 6))).toBe("ab\x1b[6n");
  expect(filter.pass(chunk, -6)).toBe(chunk);
});

test("a QueryFilter shows the beginning of a sequence that ends where what is old does", () => {
  const filter = new QueryFilter();
  expect(textOf(filter.pass(bytesOf("a\x1b["), 3))).toBe("a\x1b[");
  expect(textOf(filter.pass(bytesOf("a\x1b["), 4))).toBe("a");
  expect(textOf(filter.pass(bytesOf("1mb"), 1))).toBe("\x1b[1mb");
});

test("a QueryFilter holds no more than the beginning of a question can be", () => {
  const filter = new QueryFilter();
  const image = bytesOf(`\x1bPq${"~".repeat(10_000)}`);
  expect(filter.pass(image, Number.POSITIVE_INFINITY)).toHaveLength(image.byteLength);
});
