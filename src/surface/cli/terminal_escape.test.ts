import { expect, test } from "bun:test";
import { untilLeaving } from "./terminal_escape.ts";

/** What passes of some chunks of keys, and whether somebody left. */
async function pass(...chunks: readonly string[]) {
  async function* keys() {
    for (const chunk of chunks) yield new TextEncoder().encode(chunk);
  }
  let hasLeft = false;
  let passed = "";
  for await (const bytes of untilLeaving(keys(), () => {
    hasLeft = true;
  })) {
    passed += new TextDecoder().decode(bytes);
  }
  return { passed, hasLeft };
}

test("untilLeaving() leaves at ~. at the start of a line, however it is cut", async () => {
  expect(await pass("ls\r~.more")).toEqual({ passed: "ls\r", hasLeft: true });
  expect(await pass("ls\r", "~", ".", "more")).toEqual({ passed: "ls\r", hasLeft: true });
  expect(await pass("~.")).toEqual({ passed: "", hasLeft: true });
});

test("untilLeaving() passes ~. on where it is no line of its own", async () => {
  for (const keys of ["cd ~.\r", "a~.", "ls ~/x\r", "\r~/bin\r", "\r~x.\r", "\x1b~."]) {
    expect(await pass(keys)).toEqual({ passed: keys, hasLeft: false });
  }
});

test("untilLeaving() passes one ~ for two at the start of a line", async () => {
  expect(await pass("\r~~.\r")).toEqual({ passed: "\r~.\r", hasLeft: false });
});

test("untilLeaving() passes bytes on that are no text", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  const parts: Uint8Array[] = [];
  async function* keys() {
    yield all;
  }
  for await (const bytes of untilLeaving(keys(), () => {})) parts.push(bytes);
  expect(Buffer.concat(parts).equals(all)).toBeTrue();
});

test("untilLeaving() leaves at Ctrl-C as long as nobody is there to be interrupted", async () => {
  async function* keys() {
    yield Uint8Array.of(0x61, 0x03);
    yield Uint8Array.of(0x03);
  }
  const passed: Uint8Array[] = [];
  let hasLeft = false;
  let isThere = true;
  const leave = () => {
    hasLeft = true;
  };
  for await (const bytes of untilLeaving(keys(), leave, () => isThere)) {
    passed.push(bytes);
    isThere = false;
  }
  expect(passed).toEqual([Uint8Array.of(0x61, 0x03)]);
  expect(hasLeft).toBeTrue();
});
