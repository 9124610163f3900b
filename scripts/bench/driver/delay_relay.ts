// Stands before a port like a slow network: what comes in leaves again so many milliseconds later, either way.
import { announce } from "./announce.ts";

const target = Number(process.argv[2]);
const delayMs = Number(process.argv[3]);

interface Leg {
  other: Bun.Socket<Leg> | undefined;
  /** What came before the other leg was there. */
  early: Buffer[];
}

const late = (act: () => void) => void setTimeout(act, delayMs);
const handlers = {
  data(socket: Bun.Socket<Leg>, bytes: Buffer) {
    // The runtime reuses its buffer.
    const copy = Buffer.from(bytes);
    const { other, early } = socket.data;
    if (other) late(() => void other.write(copy));
    else early.push(copy);
  },
  close(socket: Bun.Socket<Leg>) {
    late(() => socket.data.other?.end());
  },
};
const server = Bun.listen<Leg>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    ...handlers,
    async open(socket) {
      const leg: Leg = { other: undefined, early: [] };
      socket.data = leg;
      try {
        const other = await Bun.connect<Leg>({
          hostname: "127.0.0.1",
          port: target,
          data: { other: socket, early: [] },
          socket: handlers,
        });
        leg.other = other;
        for (const bytes of leg.early.splice(0)) late(() => void other.write(bytes));
      } catch {
        // The daemon is not there yet.
        socket.end();
      }
    },
  },
});
announce(server);
