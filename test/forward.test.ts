// Ports of this machine that lead to services of another node: bytes, half-closes, many at once, restarts, datagrams, and the way back.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import {
  exchange,
  Pair,
  serveEcho,
  serveTcp,
  sha256,
  type TestService,
  testBytes,
} from "../src/capabilities/service/service.fixture.ts";
import { until } from "./harness/mesh.ts";
import { StayingCommand } from "./harness/staying_command.ts";

let echo: TestService;
let counting: TestService;
let stalled: TestService;
let udpEcho: Awaited<ReturnType<typeof serveUdpEcho>>;
let pair: Pair;

beforeAll(async () => {
  echo = await serveEcho();
  // Answers only once the other end has ended its direction.
  counting = await serveTcp((socket) => {
    let size = 0;
    socket.on("data", (chunk) => {
      size += chunk.length;
    });
    socket.on("end", () => socket.end(`got ${size}`));
  });
  stalled = await serveTcp((socket) => socket.pause());
  udpEcho = await serveUdpEcho();
  pair = await Pair.open([
    `{ id: echo, host: 127.0.0.1, port: ${echo.port}, connections_max: 224 }`,
    `{ id: counting, host: 127.0.0.1, port: ${counting.port} }`,
    `{ id: udp, host: 127.0.0.1, port: ${udpEcho.port}, protocol: udp }`,
    `{ id: stalled, host: 127.0.0.1, port: ${stalled.port} }`,
    "{ id: gone, host: 127.0.0.1, port: 1 }",
    "{ id: preview, published_by: [laptop] }",
    ...Array.from({ length: 7 }, (_, index) => `{ id: spare-${index}, host: 127.0.0.1, port: 1 }`),
  ]);
});

afterAll(async () => {
  await pair[Symbol.asyncDispose]();
  await echo[Symbol.asyncDispose]();
  await counting[Symbol.asyncDispose]();
  await stalled[Symbol.asyncDispose]();
  udpEcho.close();
});

const forward = (id: string, ...more: readonly string[]) =>
  new StayingCommand(pair.near, "service", "forward", "far", id, ...more);

describe("service forward", () => {
  test("says at once that the node lists no such service, and what it lists", async () => {
    await using command = forward("ehco");
    await command.port();
    await until(() => command.stderr.text.includes('far lists no "ehco" for you now'));
    expect(command.stderr.text).toContain("echo, counting");
    expect(command.stderr.text).toEndWith("spare-4 and 2 more\n");
  });

  test.each([
    ["forward", "udp"],
    ["forward-udp", "echo"],
  ])("%s says at once that %s is a service of another protocol", async (verb, id) => {
    await using command = new StayingCommand(pair.near, "service", verb, "far", id);
    await command.port();
    await until(() => command.stderr.text.includes(`far lists no "${id}" for you now`));
  });

  test("says at once that the node does not answer, and stays", async () => {
    await using command = new StayingCommand(pair.near, "service", "forward", "away", "echo");
    await command.port();
    await until(() => command.stderr.text.includes("note: "));
    expect(command.stderr.text).toContain("away");
    expect(await command.end()).toBe(0);
  });

  test("carries a half-close, and the answer that comes only after it", async () => {
    await using command = forward("counting");
    const answer = await exchange(await command.port(), testBytes(300_000));
    expect(Buffer.from(answer).toString()).toBe("got 300000");
    expect(await command.end()).toBe(0);
    expect(command.stderr.text).toBe("");
  });

  test("carries 200 connections at once, byte for byte", async () => {
    await using command = forward("echo");
    const port = await command.port();
    const sent = Array.from({ length: 200 }, (_, index) => testBytes(40_000 + index * 97, index));
    const answers = await Promise.all(sent.map((bytes) => exchange(port, bytes)));
    expect(answers.map(sha256)).toEqual(sent.map(sha256));
    expect(command.stderr.text).toBe("");
  });

  test("holds back a sender whose receiver stalls, and no other connection", async () => {
    await using command = forward("stalled");
    await using other = forward("echo");
    const socket = connect({ port: await command.port(), host: "127.0.0.1" });
    socket.on("error", () => {});
    const block = testBytes(1_000_000);
    let taken = 0;
    const fill = () => {
      while (taken < 200_000_000 && socket.write(block)) taken += block.byteLength;
    };
    socket.on("drain", fill);
    fill();
    const sent = testBytes(500_000);
    expect(sha256(await exchange(await other.port(), sent))).toBe(sha256(sent));
    expect(socket.bytesWritten - socket.writableLength).toBeLessThan(100_000_000);
    socket.destroy();
  });

  test("refuses a connection the service does not take, says so, and goes on", async () => {
    await using command = forward("gone");
    const port = await command.port();
    await expect(exchange(port, testBytes(10))).rejects.toThrow("ECONNRESET");
    await until(() => command.stderr.text.includes("service.unreachable"));
    await expect(exchange(port, testBytes(10))).rejects.toThrow("ECONNRESET");
    // The same remark again would tell nothing new.
    expect(command.stderr.text.match(/note:/g)).toHaveLength(1);
  });

  test("is cut off on the node's side when the local connection breaks", async () => {
    await using command = forward("echo");
    const socket = connect({ port: await command.port(), host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.write("hello");
    await until(() => socket.bytesRead === 5);
    const held = echo.sockets.size;
    expect(held).toBeGreaterThan(0);
    socket.resetAndDestroy();
    await until(() => echo.sockets.size < held);
  });

  test("cuts its connections off when it ends", async () => {
    const command = forward("echo");
    const socket = connect({ port: await command.port(), host: "127.0.0.1" });
    let isReset = false;
    socket.on("error", () => {
      isReset = true;
    });
    socket.write("hello");
    await until(() => socket.bytesRead === 5);
    expect(await command.end()).toBe(0);
    await until(() => isReset && echo.sockets.size === 0);
  });

  test.each(["0.0.0.0:0", "[::]:0", "100.96.12.34:0", "my-machine:0"])(
    "refuses to listen on %s without --expose",
    async (address) => {
      const command = forward("echo", "--listen", address);
      expect(await command.exitCode).toBe(2);
      expect(command.stderr.text).toContain("cli.exposed");
      expect(command.stdout.text).toBe("");
    },
  );

  test("listens on every network with --expose", async () => {
    await using command = forward("echo", "--listen", "0.0.0.0:0", "--expose");
    await until(() => command.stdout.text.includes("0.0.0.0:"));
    const port = Number(/0\.0\.0\.0:(\d+)/.exec(command.stdout.text)?.[1]);
    expect(Buffer.from(await exchange(port, Buffer.from("hi"))).toString()).toBe("hi");
  });

  test("fails when the port is taken", async () => {
    const command = forward("echo", "--listen", `127.0.0.1:${echo.port}`);
    expect(await command.exitCode).toBe(7);
    expect(command.stderr.text).toContain("wire.listen_failed");
    expect(command.stderr.text).not.toContain("note: ");
  });

  test("tells a program where it listens", async () => {
    await using command = forward("echo", "--json");
    const port = await command.port();
    expect(JSON.parse(command.stdout.text)).toEqual({
      event: "ready",
      listening: `127.0.0.1:${port}`,
      node: "far",
      operation: "service.connect",
      input: { id: "echo" },
    });
  });
});

describe("service forward-udp", () => {
  test("keeps boundaries, and gives each local address its own replies", async () => {
    await using command = new StayingCommand(pair.near, "service", "forward-udp", "far", "udp");
    const port = await command.port();
    using first = await openPeer(port);
    using second = await openPeer(port);
    const sizes = [0, 1, 1400, 9000, 65_507];
    for (const size of sizes) {
      first.send(testBytes(size, 1));
      second.send(testBytes(size, 2));
      await until(() => first.got.length === second.got.length && first.got.at(-1) !== undefined);
      await until(
        () => first.got.at(-1)?.byteLength === size && second.got.at(-1)?.byteLength === size,
      );
    }
    expect(first.got.map(sha256)).toEqual(sizes.map((size) => sha256(testBytes(size, 1))));
    expect(second.got.map(sha256)).toEqual(sizes.map((size) => sha256(testBytes(size, 2))));
  });

  test("does not take a service that speaks tcp", async () => {
    await using command = new StayingCommand(pair.near, "service", "forward-udp", "far", "echo");
    using peer = await openPeer(await command.port());
    peer.send(testBytes(1));
    await until(() => command.stderr.text.includes("service.wrong_protocol"));
  });
});

describe("service publish", () => {
  const publish = (port: number) =>
    new StayingCommand(pair.near, "service", "publish", "far", "preview", "--to", String(port));

  test("carries connections to the service back to the publisher, many at once", async () => {
    await using command = publish(counting.port);
    await until(() => command.stdout.text.includes("Offering"));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => ownConnect(testBytes(20_000 + index))),
    );
    expect(answers.map(({ text }) => text)).toEqual(
      answers.map((_, index) => `got ${20_000 + index}`),
    );
    expect(answers[0]?.output).toEqual({ sent_bytes: 20_000, received_bytes: 9 });
  });

  test("refuses connections when nothing listens at the publisher", async () => {
    await using command = publish(1);
    await until(() => command.stdout.text.includes("Offering"));
    expect((await ownConnect(testBytes(1))).error?.code).toBe("service.unreachable");
    expect(command.stderr.text).toContain("wire.dial_failed");
  });

  test("ends with the command: nobody offers the service then", async () => {
    const command = publish(counting.port);
    await until(() => command.stdout.text.includes("Offering"));
    expect(await command.end()).toBe(0);
    await until(
      async () => (await ownConnect(testBytes(1))).error?.code === "service.not_published",
    );
  });

  test("fails for a service the node does not know", async () => {
    const command = new StayingCommand(
      pair.near,
      ...["service", "publish", "far", "nothing", "--to", "1"],
    );
    expect(await command.exitCode).toBe(3);
    expect(command.stderr.text).toContain("service.unknown");
  });
});

test("forward and publish heal after the node restarts; what was open is cut off", async () => {
  await using forwarding = forward("echo");
  await using publishing = new StayingCommand(
    pair.near,
    ...["service", "publish", "far", "preview", "--to", String(counting.port)],
  );
  await until(() => publishing.stdout.text.includes("Offering"));
  const port = await forwarding.port();
  const open = connect({ port, host: "127.0.0.1" });
  let isCut = false;
  open.on("error", () => {
    isCut = true;
  });
  open.write("x");
  await until(() => open.bytesRead === 1);
  await pair.restartFar();
  await until(() => isCut);
  expect(Buffer.from(await exchange(port, Buffer.from("two"))).toString()).toBe("two");
  await until(() => publishing.stdout.text.match(/Offering/g)?.length === 2);
  expect((await ownConnect(testBytes(7))).text).toBe("got 7");
  // A node that stops gives what is open time to end.
}, 20_000);

/** As the far node's own user connects to what the near one publishes there. */
function ownConnect(bytes: Uint8Array) {
  const outgoing = (async function* () {
    yield bytes;
  })();
  return pair.far.call("local", "service.connect", { id: "preview" }, { outgoing });
}

function serveUdpEcho() {
  return Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, data, port, host) => void socket.send(data, port, host) },
  });
}

async function openPeer(port: number) {
  const got: Uint8Array[] = [];
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: { data: (_socket, data) => void got.push(data) },
  });
  return {
    got,
    send: (bytes: Uint8Array) => void socket.send(bytes),
    [Symbol.dispose]: () => socket.close(),
  };
}
