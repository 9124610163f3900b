import { expect, test } from "bun:test";
import { FrameReader, frame } from "./protocol.ts";
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

test("FrameReader finds frames however they are cut", () => {
  const whole = Buffer.concat([frame(2, bytes("keys")), frame(5), frame(17, bytes("x"))]);
  const reader = new FrameReader();
  const found = [...whole].flatMap((byte) => [...reader.add(Uint8Array.of(byte))]);
  expect(found.map(({ kind, payload }) => [kind, text(payload)])).toEqual([
    [2, "keys"],
    [5, ""],
    [17, "x"],
  ]);
});

test("FrameReader refuses a frame longer than any may be", () => {
  const header = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 17);
  expect(() => [...new FrameReader().add(header)]).toThrow("sent a message of");
});
