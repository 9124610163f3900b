import { describe, expect, test } from "bun:test";
import { LineWriter } from "./line_writer.ts";

/** An output that takes a write only when told to. */
function heldOutput() {
  const taken: string[] = [];
  let release = () => {};
  let isBroken = false;
  return {
    taken,
    release: () => release(),
    break: () => {
      isBroken = true;
      release();
    },
    output: {
      isTty: false,
      columns: 80,
      async write(data: Uint8Array | string) {
        taken.push(String(data));
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        if (isBroken) throw new Error("gone");
      },
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("LineWriter", () => {
  test("lines that come together are written together, in order", async () => {
    const held = heldOutput();
    const writer = new LineWriter(held.output);
    await writer.write("a\n");
    await writer.write("b\n");
    await turn();
    expect(held.taken).toEqual(["a\nb\n"]);
    await writer.write("c\n");
    held.release();
    await turn();
    expect(held.taken).toEqual(["a\nb\n", "c\n"]);
    held.release();
    await writer.end();
  });
  test("attack 11: a reader that stops stops the writer within its bound", async () => {
    const held = heldOutput();
    const writer = new LineWriter(held.output);
    const line = `${"x".repeat(1023)}\n`;
    let written = 0;
    const writing = (async () => {
      for (; written < 10_000; written++) await writer.write(line);
    })();
    for (let i = 0; i < 50; i++) await turn();
    expect(written * line.length).toBeLessThan(256 * 1024);
    held.break();
    expect(writing).rejects.toThrow("gone");
  });
  test("a failure is told to the next write and to end", async () => {
    const held = heldOutput();
    const writer = new LineWriter(held.output);
    await writer.write("a");
    await turn();
    held.break();
    await turn();
    expect(writer.write("b")).rejects.toThrow("gone");
    expect(writer.end()).rejects.toThrow("gone");
    expect(held.taken).toEqual(["a"]);
  });
  test("end waits for what is being written", async () => {
    const held = heldOutput();
    const writer = new LineWriter(held.output);
    await writer.write("a");
    let isEnded = false;
    const ending = writer.end().then(() => {
      isEnded = true;
    });
    await turn();
    await turn();
    expect(isEnded).toBe(false);
    held.release();
    await ending;
  });
});
