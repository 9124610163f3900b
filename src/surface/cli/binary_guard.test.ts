import { describe, expect, test } from "bun:test";
import { isBinary } from "./binary_guard.ts";
import { box } from "./cli.fixture.ts";

describe("isBinary()", () => {
  test("takes text for text, also when a character is cut at either end", () => {
    const text = Buffer.from("tab\there, line\r\nfeed, é, 漢, 🙂");
    for (let from = 0; from <= text.length; from++) {
      expect(isBinary(text.subarray(0, from))).toBe(false);
      expect(isBinary(text.subarray(from))).toBe(false);
    }
  });

  test("takes NUL, escapes and bytes that are no UTF-8 for binary", () => {
    for (const text of ["\0", "a\x1b[31m", "\x07", "a\u009b2J", "\u0080"])
      expect(isBinary(Buffer.from(text))).toBe(true);
    for (const bytes of [
      [0x61, 0xff, 0x61],
      [0xc3, 0x28, 0x61],
      [0x7f, 0x45, 0x4c, 0x46, 0x02],
    ]) {
      expect(isBinary(Uint8Array.from(bytes))).toBe(true);
    }
  });
});

describe("attack 27: bytes that are no text on a terminal", () => {
  const answers = [{ base64: Buffer.from("\x7fELF\0").toString("base64") }, { output: {} }];
  const read = ["box", "get", "gpu:/a"];

  test("are shown only after a yes", async () => {
    const no = await box(read, { answers, isTty: true, stdin: "n\n" });
    expect([no.exitCode, no.stdout]).toEqual([130, ""]);
    expect(no.stderr).toContain("cli.binary_refused");
    const yes = await box(read, { answers, isTty: true, stdin: "y\n" });
    expect([yes.exitCode, yes.stdout]).toEqual([0, "\x7fELF\0"]);
  });

  test("attack 27: a control character cut in two is found", async () => {
    const whole = Buffer.from("a\u009b2J");
    const cut = [whole.subarray(0, 2), whole.subarray(2)];
    const shown = await box(read, {
      answers: [...cut.map((part) => ({ base64: part.toString("base64") })), { output: {} }],
      isTty: true,
      stdin: "n\n",
    });
    expect(shown.exitCode).toBe(130);
    expect(shown.stdout).not.toContain("2J");
  });

  test("go without a question into a pipe, and with --yes", async () => {
    expect((await box(read, { answers })).stdout).toBe("\x7fELF\0");
    const forced = await box([...read, "--yes"], { answers, isTty: true });
    expect(forced.stdout).toBe("\x7fELF\0");
  });
});
