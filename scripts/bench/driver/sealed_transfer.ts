// The other end of sealed_server.ts: moves bytes in either direction and says how long that took.
import { systemClock } from "../../../src/clock.ts";
import { KeyPair } from "../../../src/identity/key.ts";
import { dial } from "../../../src/wire/dial.ts";
import { takeOrders } from "./orders.mjs";
import { sendBytes } from "./sealed_bytes.ts";

let received = (_bytes: number) => {};
let drained = () => {};
const channel = await dial(
  {
    endpoint: `ws://127.0.0.1:${process.argv[2]}`,
    key: KeyPair.generate(),
    expected: undefined,
    clock: systemClock,
  },
  (sealed) => {
    sealed.events = {
      record: (plaintext) => received(plaintext.byteLength),
      drain: () => drained(),
      closed: () => {},
    };
    return sealed;
  },
);

await takeOrders(async ({ direction, bytes }: { direction: "read" | "write"; bytes: number }) => {
  const start = performance.now();
  const isRead = direction === "read";
  const expected = isRead ? bytes : 1;
  const done = new Promise<void>((resolve) => {
    let total = 0;
    received = (more) => {
      total += more;
      if (total >= expected) resolve();
    };
  });
  channel.send([Buffer.from(JSON.stringify({ direction, bytes }))]);
  if (!isRead) await sendBytes(channel, bytes, (wake) => (drained = wake));
  await done;
  return { elapsed_ms: performance.now() - start };
});
