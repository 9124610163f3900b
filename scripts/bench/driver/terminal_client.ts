// The other end of terminal_server.ts: keys go there, and what comes back is shown.
import { writeSync } from "node:fs";

const socket = await Bun.connect({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  socket: {
    open: (opened) => void opened.setNoDelay(true),
    data: (_socket, bytes) => void writeSync(1, bytes),
    close: () => process.exit(0),
  },
});
process.stdin.setRawMode(true);
process.stdin.on("data", (bytes) => void socket.write(bytes));
