// 200-byte messages to the echo; answers come in order, so a queue says whose each is.
import { takeOrders, timeCalls } from "./orders.mjs";

const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/`, {
  perMessageDeflate: false,
} as unknown as string[]);
socket.binaryType = "arraybuffer";
const waiting: (() => void)[] = [];
let taken = 0;
socket.onmessage = () => {
  const resolve = waiting[taken++];
  if (taken === waiting.length) {
    waiting.length = 0;
    taken = 0;
  }
  resolve?.();
};
await new Promise((resolve) => {
  socket.onopen = resolve;
});
const message = new Uint8Array(200).fill(7);
const call = () =>
  new Promise<void>((resolve) => {
    waiting.push(resolve);
    socket.send(message);
  });

await takeOrders((order: { calls: number; in_flight: number }) => timeCalls(call, order));
