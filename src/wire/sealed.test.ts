import { expect, test } from "bun:test";
import { systemClock } from "../clock.ts";
import { deferred } from "../deferred.ts";
import { KeyPair } from "../identity/key.ts";
import { dial } from "./dial.ts";
import { Listener } from "./listener.ts";
import type { SealedChannel } from "./sealed.ts";

const RECORDS = 40;
const RECORD_BYTES = 300_000;

/** Two ends of a connection over a real port. */
async function connect(): Promise<{ near: SealedChannel; far: SealedChannel } & AsyncDisposable> {
  const { promise: accepted, resolve } = deferred<SealedChannel>();
  const [ownKey, key] = [KeyPair.generate(), KeyPair.generate()];
  const listener = new Listener({
    ...{ host: "127.0.0.1", port: 0, key, clock: systemClock, allowOrigins: [] },
    established: (channel) => resolve(channel),
  });
  const endpoint = `ws://127.0.0.1:${listener.port}`;
  const options = { endpoint, key: ownKey, expected: key.publicKey, clock: systemClock };
  const near = await dial(options, (channel) => channel);
  return {
    near,
    far: await accepted,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/** What arrives at one end, until it is so many records. */
function arriving(channel: SealedChannel): Promise<readonly Uint8Array[]> {
  const { promise, resolve, reject } = deferred<readonly Uint8Array[]>();
  const records: Uint8Array[] = [];
  channel.events = {
    record: (plaintext) => records.push(plaintext) === RECORDS && resolve(records),
    drain() {},
    closed: (reason) => reject(new Error(`closed: ${reason}`)),
  };
  return promise;
}

for (const direction of ["to the listener", "from the listener"]) {
  test(`records that wait for the socket stay whole ${direction}`, async () => {
    await using ends = await connect();
    const [from, to] =
      direction === "to the listener" ? [ends.near, ends.far] : [ends.far, ends.near];
    const arrived = arriving(to);
    // Far more than a socket takes, in one turn: nothing can have left before the last of them is sealed.
    const part = new Uint8Array(RECORD_BYTES);
    for (let index = 0; index < RECORDS; index++) from.send([part.fill(index)]);
    const records = await arrived;
    expect(records.map((record) => record.byteLength)).toEqual(Array(RECORDS).fill(RECORD_BYTES));
    expect(records.every((record, index) => record.every((byte) => byte === index))).toBe(true);
  });
}
