// Sends every datagram back to where it came from.
import { announce } from "./announce.ts";

const socket = await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: 0,
  socket: { data: (self, data, port, address) => void self.send(data, port, address) },
});
announce(socket);
