// Terminals for whoever connects: a session with nothing around it. The argument is the shell command that runs in each.
import { announce } from "./announce.ts";

const program = process.argv[2] ?? "";

const server = Bun.listen<Bun.Subprocess>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.setNoDelay(true);
      socket.data = Bun.spawn(["sh", "-c", program], {
        terminal: { cols: 80, rows: 24, data: (_terminal, bytes) => void socket.write(bytes) },
      });
    },
    data: (socket, bytes) => void socket.data.terminal?.write(bytes),
    close: (socket) => socket.data.kill(),
  },
});
announce(server);
