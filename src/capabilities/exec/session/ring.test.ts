import { expect, test } from "bun:test";
import { Ring } from "./ring.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

test("Ring keeps the last bytes and says where they begin", () => {
  const ring = new Ring(4);
  ring.append(bytes("abc"));
  expect([ring.start, ring.end, text(ring.read(0, 10))]).toEqual([0, 3, "abc"]);
  ring.append(bytes("de"));
  expect([ring.start, ring.end, text(ring.read(1, 10))]).toEqual([1, 5, "bcde"]);
  ring.append(bytes("0123456789"));
  expect([ring.start, ring.end, text(ring.read(11, 2))]).toEqual([11, 15, "67"]);
});
