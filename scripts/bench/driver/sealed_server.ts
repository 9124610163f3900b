// Sealed frames and nothing else: a listener that, once told how many bytes, sends or takes them in records.

import { systemClock } from "../../../src/clock.ts";
import { KeyPair } from "../../../src/identity/key.ts";
import type { RecordChannel } from "../../../src/wire/channel.ts";
import { Listener } from "../../../src/wire/listener.ts";
import { announce } from "./announce.ts";
import { sendBytes } from "./sealed_bytes.ts";

const listener = new Listener({
  host: "127.0.0.1",
  port: 0,
  key: KeyPair.generate(),
  clock: systemClock,
  allowOrigins: [],
  established: serve,
});
announce(listener);

/** The first record of a transfer says in which direction and how much; the last answer is one byte. */
function serve(channel: RecordChannel): void {
  let left = 0;
  let drained = () => {};
  channel.events = {
    record(plaintext) {
      if (left > 0) {
        left -= plaintext.byteLength;
        if (left === 0) channel.send([Uint8Array.of(1)]);
        return;
      }
      const { direction, bytes } = JSON.parse(Buffer.from(plaintext).toString());
      if (direction === "write") left = bytes;
      else void sendBytes(channel, bytes, (wake) => (drained = wake));
    },
    drain: () => drained(),
    closed: () => {},
  };
}
