// The other end of tcp_server.ts: makes connections, each for so many bytes, and says how long that took.
import { takeOrders, timeCalls } from "./orders.mjs";

const port = Number(process.argv[2]);

await takeOrders(({ bytes, ...order }: { bytes: number; calls: number; in_flight: number }) =>
  timeCalls(() => fetchBytes(bytes), order),
);

/** One connection, from its start until the last byte is there. */
function fetchBytes(bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = bytes;
    void Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write(`${bytes}\n`),
        data(socket, chunk) {
          left -= chunk.byteLength;
          if (left > 0) return;
          resolve();
          socket.end();
        },
        close: () => reject(new Error(`The connection ended ${left} bytes early`)),
        error: (_socket, error) => reject(error),
        connectError: (_socket, error) => reject(error),
      },
    }).catch(reject);
  });
}
