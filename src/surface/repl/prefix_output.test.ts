import { expect, test } from "bun:test";
import { PrefixOutput } from "./prefix_output.ts";

function captured() {
  const writes: string[] = [];
  const output = {
    isTty: false,
    columns: 80,
    async write(data: Uint8Array | string) {
      writes.push(typeof data === "string" ? data : new TextDecoder().decode(data));
    },
  };
  return { writes, output: new PrefixOutput(output, "a: ") };
}

test("lines stand behind the prefix, whole, however they come", async () => {
  const { writes, output } = captured();
  for (const part of ["on", "e\ntw", "o\n", "\nthree"]) await output.write(part);
  expect(writes).toEqual(["a: one\n", "a: two\n", "a: \n"]);
  await output.end();
  expect(writes.at(-1)).toBe("a: three\n");
  await output.end();
  expect(writes).toHaveLength(4);
});

test("a character that comes in two pieces stays whole", async () => {
  const { writes, output } = captured();
  const bytes = new TextEncoder().encode("ü\n");
  await output.write(bytes.slice(0, 1));
  await output.write(bytes.slice(1));
  expect(writes).toEqual(["a: ü\n"]);
});

test("attack 11: a line without end is not held back without bound", async () => {
  const { writes, output } = captured();
  await output.write("x".repeat(64 * 1024));
  expect(writes).toEqual([]);
  await output.write("x");
  expect(writes.join("").length).toBe(64 * 1024 + 1 + "a: \n".length);
});
