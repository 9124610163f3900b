import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { ManualClock } from "../../test/clock.ts";
import { ServiceNotify } from "./service_notify.ts";

const RECEIVER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", chr(0), 1) if sys.argv[1].startswith("@") else sys.argv[1])
print("bound", flush=True)
s.settimeout(30)
print(s.recv(4096).decode().replace(chr(10), "|"), flush=True)`;

let folder: string | undefined;
afterEach(() => folder && rmSync(folder, { recursive: true, force: true }));

async function received(address: string, send: (manager: ServiceNotify) => void): Promise<string> {
  const child = Bun.spawn(["python3", "-c", RECEIVER, address], { stdout: "pipe" });
  const lines = createInterface({ input: Readable.fromWeb(child.stdout as never) });
  const next = lines[Symbol.asyncIterator]();
  expect((await next.next()).value).toBe("bound");
  using manager = new ServiceNotify({
    env: { NOTIFY_SOCKET: address },
    pid: 1,
    clock: new ManualClock(),
  });
  send(manager);
  return (await next.next()).value ?? "";
}

describe("ServiceNotify", () => {
  test("says that the node is ready to a socket in the file system", async () => {
    folder = mkdtempSync(join(tmpdir(), "operon-notify-"));
    const text = await received(join(folder, "socket"), (manager) => manager.ready("Node a\nb"));
    expect(text).toBe("READY=1|STATUS=Node a b");
  });

  test("says that it reloads to an abstract socket", async () => {
    const text = await received(`@operon-notify-${process.pid}`, (manager) => manager.reloading());
    expect(text).toMatch(/^RELOADING=1\|MONOTONIC_USEC=\d+$/);
  });

  test("is quiet without a service manager, or with one that does not listen", () => {
    const clock = new ManualClock();
    for (const NOTIFY_SOCKET of [undefined, "/nowhere/socket", "x".repeat(500)]) {
      using manager = new ServiceNotify({ env: { NOTIFY_SOCKET }, pid: 1, clock });
      manager.ready("");
      manager.stopping();
    }
  });
});
