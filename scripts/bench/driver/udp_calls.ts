// 200-byte datagrams to an echo; the first four bytes say which answer is whose. A lost one is sent again.
import { takeOrders, timeCalls } from "./orders.mjs";

/** After this long (ms) a datagram counts as lost. */
const LOST_MS = 200;

const port = Number(process.argv[2]);
const waiting = new Map<number, () => void>();
let last = 0;
const socket = await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data(_self, data) {
      const id = data.readUInt32BE(0);
      waiting.get(id)?.();
      waiting.delete(id);
    },
  },
});

function call(): Promise<void> {
  const message = Buffer.alloc(200);
  const id = ++last;
  message.writeUInt32BE(id);
  const send = () => void socket.send(message, port, "127.0.0.1");
  const timer = setInterval(send, LOST_MS);
  send();
  return new Promise((resolve) => {
    waiting.set(id, () => {
      clearInterval(timer);
      resolve();
    });
  });
}

await call();
await takeOrders((order: { calls: number; in_flight: number }) => timeCalls(call, order));
