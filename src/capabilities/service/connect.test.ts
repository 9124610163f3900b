// Connections to services of another node: half-closes, what is refused, what is cut off.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../../../test/harness/mesh.ts";
import { createKey } from "../../identity/keystore.ts";
import {
  Pair,
  serveEcho,
  serveTcp,
  servicePolicy,
  sha256,
  type TestService,
  testBytes,
} from "./service.fixture.ts";

let echo: TestService;
let counting: TestService;
let greeting: TestService;
let breaking: TestService;
let pair: Pair;
let services: string[];

beforeAll(async () => {
  echo = await serveEcho();
  counting = await serveTcp((socket) => {
    let size = 0;
    socket.on("data", (chunk) => {
      size += chunk.length;
    });
    socket.on("end", () => socket.end(`got ${size}`));
  });
  greeting = await serveTcp((socket) => socket.end("hello"));
  breaking = await serveTcp((socket) =>
    socket.once("data", () => socket.write("half", () => socket.resetAndDestroy())),
  );
  services = [
    `{ id: echo, host: 127.0.0.1, port: ${echo.port} }`,
    `{ id: named, host: localhost, port: ${echo.port} }`,
    `{ id: few, host: 127.0.0.1, port: ${echo.port}, connections_max: 2 }`,
    `{ id: idle, host: 127.0.0.1, port: ${echo.port}, idle_timeout_secs: 0.01 }`,
    `{ id: counting, host: 127.0.0.1, port: ${counting.port} }`,
    `{ id: greeting, host: 127.0.0.1, port: ${greeting.port} }`,
    `{ id: breaking, host: 127.0.0.1, port: ${breaking.port} }`,
    "{ id: gone, host: 127.0.0.1, port: 1 }",
    "{ id: nowhere, host: no-such-name.invalid, port: 80 }",
    "{ id: dns, host: 127.0.0.1, port: 53, protocol: udp }",
  ];
  pair = await Pair.open(services);
});

afterAll(async () => {
  await pair[Symbol.asyncDispose]();
  for (const service of [echo, counting, greeting, breaking]) await service[Symbol.asyncDispose]();
});

/** What a caller sends, and then either ends or goes on holding open. */
class Held {
  readonly #ended = Promise.withResolvers<void>();

  async *items(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array, undefined> {
    yield* chunks;
    await this.#ended.promise;
    return undefined;
  }

  end(): void {
    this.#ended.resolve();
  }
}

const held: Held[] = [];
afterEach(() => {
  for (const one of held.splice(0)) one.end();
});

async function* all(...chunks: Uint8Array[]) {
  yield* chunks;
}

const connect = (id: string, ...chunks: Uint8Array[]) =>
  pair.near.call("far", "service.connect", { id }, { outgoing: all(...chunks) });

/** Opens a connection, sends a byte and waits until it came back. */
async function openEcho(id = "echo") {
  const holding = new Held();
  held.push(holding);
  const caller = await pair.near.caller();
  const outgoing = holding.items(testBytes(1));
  const call = caller.call("far", "service.connect", { id }, { outgoing });
  const chunks = call.chunks[Symbol.asyncIterator]();
  await chunks.next();
  return { call, chunks, end: () => holding.end() };
}

/** Changes the far node's policy for a while. */
async function whileConfigured(policy: () => void, run: () => Promise<void>): Promise<void> {
  const { length } = pair.far.notices;
  policy();
  try {
    await run();
  } finally {
    pair.reconfigure(services);
    await until(async () => (await connect("echo", testBytes(1))).error === undefined);
  }
  expect(pair.far.notices).toHaveLength(length);
}

describe("service.connect", () => {
  test("carries bytes both ways and says how many", async () => {
    const sent = testBytes(3_000_000);
    const { bytes, output, error } = await connect("echo", sent);
    expect(error).toBeUndefined();
    expect(sha256(bytes)).toBe(sha256(sent));
    expect(output).toEqual({ sent_bytes: 3_000_000, received_bytes: 3_000_000 });
  });

  test("looks a name up on the node", async () => {
    expect((await connect("named", testBytes(10))).bytes).toHaveLength(10);
  });

  test("carries the caller's half-close before the service answers", async () => {
    expect((await connect("counting", testBytes(100_000))).text).toBe("got 100000");
  });

  test("carries the service's half-close while the caller still sends", async () => {
    const holding = new Held();
    const caller = await pair.near.caller();
    const outgoing = holding.items(testBytes(10));
    const call = caller.call("far", "service.connect", { id: "greeting" }, { outgoing });
    const seen: Uint8Array[] = [];
    for await (const chunk of call.chunks) if (chunk.kind === "bytes") seen.push(chunk.bytes);
    expect(Buffer.concat(seen).toString()).toBe("hello");
    holding.end();
    expect(await call.output).toEqual({ sent_bytes: 10, received_bytes: 5 });
  });

  test("fails when the service cuts the connection off: what came is no whole answer", async () => {
    const { error, text } = await connect("breaking", testBytes(1));
    expect(error?.code).toBe("service.broken");
    expect("half").toContain(text);
  });

  test.each([
    ["gone", "service.unreachable"],
    ["nowhere", "service.unreachable"],
    ["dns", "service.wrong_protocol"],
    ["other", "service.unknown"],
  ])("refuses %s with %s", async (id, code) => {
    const { error } = await connect(id, testBytes(1));
    expect(error?.code).toBe(code);
  });

  test("lets a principal have as many connections as the service says", async () => {
    const first = await openEcho("few");
    const second = await openEcho("few");
    expect((await connect("few", testBytes(1))).error?.code).toBe("service.too_many");
    expect((await connect("echo", testBytes(1))).error).toBeUndefined();
    first.end();
    await first.call.output;
    expect((await connect("few", testBytes(1))).error).toBeUndefined();
    second.end();
  });

  test("cuts off what moves nothing for too long", async () => {
    const { call } = await openEcho("idle");
    await expect(call.output).rejects.toMatchObject({ code: "service.idle" });
    await until(() => echo.sockets.size === 0);
  });

  test("closes the connection when the caller cancels", async () => {
    const { call } = await openEcho();
    expect(echo.sockets.size).toBe(1);
    call.cancel();
    await until(() => echo.sockets.size === 0);
  });

  test("writes down where it led to, how much went, and how it ended", async () => {
    await connect("echo", testBytes(1234));
    const { values } = await pair.far.call("local", "audit.list", { limit: 2 });
    expect(values).toContainEqual(
      expect.objectContaining({
        operation: "service.connect",
        resources: ["service:echo"],
        facts: { target: `127.0.0.1:${echo.port}` },
      }),
    );
    const outcome = expect.objectContaining({ ok: true, bytes_in: 1234, bytes_out: 1234 });
    expect(values).toContainEqual(expect.objectContaining({ event: "finished", outcome }));
  });
});

describe("who may reach a service", () => {
  test("attack 3: a host or port declared by the caller is refused, and nothing is dialled", async () => {
    const dialled = echo.sockets.size;
    for (const more of [
      { host: "127.0.0.1", port: echo.port },
      { target: `127.0.0.1:${echo.port}` },
      { published_by: ["laptop"] },
    ]) {
      const { error } = await pair.near.call("far", "service.connect", { id: "gone", ...more });
      expect(error?.code).toBe("node.input_invalid");
    }
    for (const id of [`127.0.0.1:${echo.port}`, "../echo", "echo\n", "ECHO", "[::1]", ""]) {
      const { error } = await pair.near.call("far", "service.connect", { id });
      expect(error?.code).toBe("node.input_invalid");
    }
    expect(echo.sockets.size).toBe(dialled);
  });

  test("attack 4: an open connection dies within a second when its right is withdrawn", async () => {
    const { call } = await openEcho();
    const startMs = performance.now();
    await whileConfigured(
      () => pair.reconfigure(services, ["service.list"]),
      async () => {
        await expect(call.output).rejects.toMatchObject({ code: "policy.revoked" });
        await until(() => echo.sockets.size === 0);
        // The file is noticed, too.
        expect(performance.now() - startMs).toBeLessThan(2_000);
      },
    );
  });

  test("attack 4: an open connection dies when its principal is removed", async () => {
    const { call } = await openEcho();
    const { far } = pair;
    await whileConfigured(
      () =>
        far.test.configure({
          ...far.test.options,
          policy: (own) => servicePolicy(services, { owner: { key: own, allow: ["service.*"] } }),
        }),
      async () => {
        await expect(call.output).rejects.toBeDefined();
        await until(() => echo.sockets.size === 0);
      },
    );
  });

  test("attack 5: a session that may call gets no service its rules do not allow", async () => {
    await whileConfigured(
      () => pair.reconfigure(services, ["service.list", "service.check"]),
      async () => {
        await until(async () => (await connect("echo")).error?.code === "policy.denied");
        // Refused the same way, whether there is such a service or not.
        expect((await connect("no-such-service")).error?.code).toBe("policy.denied");
        const { error } = await pair.near.call("far", "service.datagrams", { id: "dns" });
        expect(error?.code).toBe("policy.denied");
        const published = await pair.near.call("far", "service.publish", { id: "echo" });
        expect(published.error?.code).toBe("policy.denied");
        const taken = { id: "echo", connection: "00" };
        const accepted = await pair.near.call("far", "service.accept", taken);
        expect(accepted.error?.code).toBe("policy.denied");
        expect(echo.sockets.size).toBe(0);
      },
    );
  });

  test("an open connection dies when its service is configured to lead elsewhere", async () => {
    const { call } = await openEcho();
    const moved = services.map((line) =>
      line.startsWith("{ id: echo,") ? "{ id: echo, host: 127.0.0.1, port: 1 }" : line,
    );
    await whileConfigured(
      () => pair.reconfigure(moved),
      async () => {
        await expect(call.output).rejects.toMatchObject({ code: "service.withdrawn" });
      },
    );
  });

  test("a stranger learns nothing of services", async () => {
    const stranger = createKey(`${pair.near.test.folder}/stranger`);
    const caller = await pair.near.caller(stranger);
    const call = caller.call("far", "service.list", {});
    await expect(call.output).rejects.toMatchObject({ kind: "permission_denied" });
    await caller[Symbol.asyncDispose]();
  });
});
