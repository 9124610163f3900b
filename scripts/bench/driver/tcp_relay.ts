// Carries connections to a port, each one on its own: a forward with nothing around it. It waits for no reader, so no
// rate of bytes is measured with it.
import { announce } from "./announce.ts";

const target = Number(process.argv[2]);

interface Side {
  other: Bun.Socket<Side> | undefined;
  readonly early: Uint8Array[];
}

const server = Bun.listen<Side>({
  hostname: "127.0.0.1",
  port: 0,
  allowHalfOpen: true,
  socket: {
    open(near) {
      near.data = { other: undefined, early: [] };
      void Bun.connect<Side>({
        hostname: "127.0.0.1",
        port: target,
        allowHalfOpen: true,
        data: { other: near, early: [] },
        socket: {
          open(far) {
            near.data.other = far;
            for (const bytes of near.data.early) far.write(bytes);
          },
          data: (_far, bytes) => void near.write(bytes),
          end: () => void near.end(),
          close: () => void near.end(),
        },
      });
    },
    data({ data: { other, early } }, bytes) {
      if (other) other.write(bytes);
      else early.push(Uint8Array.from(bytes));
    },
    end: (near) => void near.data.other?.end(),
    close: (near) => void near.data.other?.end(),
  },
});
announce(server);
