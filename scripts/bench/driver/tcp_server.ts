// A service to forward to: a client names a number of bytes in one line, gets them, and the connection ends.
import { announce } from "./announce.ts";

const chunk = new Uint8Array(256 * 1024).fill(7);

interface Sending {
  asked: string;
  left: number;
}

const server = Bun.listen<Sending>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { asked: "", left: 0 };
    },
    data(socket, bytes) {
      const { data } = socket;
      data.asked += new TextDecoder().decode(bytes);
      if (!data.asked.includes("\n")) return;
      data.left = Number(data.asked);
      data.asked = "";
      send(socket);
    },
    drain: send,
  },
});
announce(server);

function send(socket: Bun.Socket<Sending>): void {
  const { data } = socket;
  if (data.left === 0) return;
  while (data.left > 0) {
    const wanted = Math.min(data.left, chunk.byteLength);
    const taken = socket.write(chunk, 0, wanted);
    if (taken < 0) return;
    data.left -= taken;
    if (taken < wanted) return;
  }
  socket.end();
}
