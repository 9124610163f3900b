import { expect, test } from "bun:test";
import { DatagramQueue } from "./datagram_queue.ts";

async function all(queue: DatagramQueue): Promise<number[]> {
  const sizes: number[] = [];
  for await (const datagram of queue) sizes.push(datagram.byteLength);
  return sizes;
}

test("a queue gives datagrams as they came, also empty ones, until it is ended", async () => {
  const queue = new DatagramQueue();
  const reading = all(queue);
  for (const size of [3, 0, 65_507]) expect(queue.push(new Uint8Array(size))).toBeTrue();
  queue.end();
  expect(await reading).toEqual([3, 0, 65_507]);
  expect(queue.push(new Uint8Array(1))).toBeFalse();
});

test("a queue nobody reads drops what is beyond its bounds", async () => {
  const many = new DatagramQueue();
  for (let count = 0; count < 1024; count++) expect(many.push(new Uint8Array(0))).toBeTrue();
  expect(many.push(new Uint8Array(0))).toBeFalse();
  const large = new DatagramQueue();
  const taken = Array.from({ length: 100 }, () => large.push(new Uint8Array(65_000)));
  expect(taken.filter(Boolean)).toHaveLength(16);
  expect(large.push(new Uint8Array(100))).toBeTrue();
});

test("a queue takes datagrams again once some were read", async () => {
  const queue = new DatagramQueue();
  while (queue.push(new Uint8Array(60_000)));
  const items = queue[Symbol.asyncIterator]();
  await items.next();
  expect(queue.push(new Uint8Array(60_000))).toBeTrue();
  queue.end();
});
