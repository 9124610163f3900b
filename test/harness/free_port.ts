// Ports for servers that are started later: no two are the same, and no outgoing connection gets one.

/** Below those the kernel gives to outgoing connections, which would take a port before its server is up. */
let next = 20_000 + Math.floor(Math.random() * 10_000);

/** A port of this machine that nobody listens on, and that is not given out again. */
export function freePort(): number {
  for (;;) {
    const port = next++;
    if (isFree(port)) return port;
  }
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
