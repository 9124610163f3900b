// Carries datagrams to a port and answers back, for one sender: a forward with nothing around it.
import { announce } from "./announce.ts";

const target = Number(process.argv[2]);
let sender = 0;
const outer = await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data(_self, data, port) {
      sender = port;
      inner.send(data, target, "127.0.0.1");
    },
  },
});
const inner = await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: 0,
  socket: { data: (_self, data) => void outer.send(data, sender, "127.0.0.1") },
});
announce(outer);
