// A bare WebSocket echo: what the runtime can do when nothing is encrypted, signed, decided or recorded.
import { announce } from "./announce.ts";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) =>
    self.upgrade(request) ? undefined : new Response("Upgrade required\n", { status: 426 }),
  websocket: {
    perMessageDeflate: false,
    message: (socket, message) => void socket.send(message),
  },
});
announce(server);
