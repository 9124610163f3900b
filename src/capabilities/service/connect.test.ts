// Connections to services of another node: half-closes, many at once, what is refused, what is cut off.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../../../test/harness/mesh.ts";
import {
  Pair,
  serveEcho,
  serveTcp,
  sha256,
  type TestService,
  testBytes,
} from "./service.fixture.ts";

let echo: TestService;
let pair: Pair;
let last: TestService;

beforeAll(async () => {
  echo = await serveEcho();
  // Answers only once the caller has ended its direction, then goes on reading nothing.
  last = await serveTcp((socket) => {
    let size = 0;
    socket.on("data", (chunk) => {
      size += chunk.length;
    });
    socket.on("end", () => socket.end(`got ${size}`));
  });
  pair = await Pair.open([
    `{ id: echo, host: 127.0.0.1, port: ${echo.port} }`,
    `{ id: last, host: localhost, port: ${last.port} }`,
    `{ id: gone, host: 127.0.0.1, port: 1 }`,
  ]);
});

afterAll(async () => {
  await pair[Symbol.asyncDispose]();
  await echo[Symbol.asyncDispose]();
  await last[Symbol.asyncDispose]();
});

async function* chunksOf(...chunks: Uint8Array[]) {
  yield* chunks;
}

const call = (id: string, ...chunks: Uint8Array[]) =>
  pair.near.call("far", "service.connect", { id }, { outgoing: chunksOf(...chunks) });

describe("service.connect", () => {
  test("carries bytes both ways and says how many", async () => {
    const sent = testBytes(3_000_000);
    const { bytes, output, error } = await call("echo", sent);
    expect(error).toBeUndefined();
    expect(sha256(bytes)).toBe(sha256(sent));
    expect(output).toEqual({ sent_bytes: 3_000_000, received_bytes: 3_000_000 });
  });

  test("carries the caller's half-close before the service answers", async () => {
    const { text } = await call("last", testBytes(100_000));
    expect(text).toBe("got 100000");
  });

  test("carries the service's half-close while the caller still sends", async () => {
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const chatty = await serveTcp((socket) => socket.end("hello"));
    await using _chatty = chatty;
    pair.reconfigure([`{ id: chatty, host: 127.0.0.1, port: ${chatty.port} }`], ["service.*"]);
    const caller = await pair.near.caller();
    await until(async () => {
      const { output } = await pair.near.call("far", "service.list", {});
      return JSON.stringify(output).includes("chatty");
    });
    const ongoing = caller.call(
      "far",
      "service.connect",
      { id: "chatty" },
      {
        outgoing: (async function* () {
          yield testBytes(10);
          await mayEnd;
        })(),
      },
    );
    const seen: string[] = [];
    for await (const chunk of ongoing.chunks)
      if (chunk.kind === "bytes") seen.push(new TextDecoder().decode(chunk.bytes));
    expect(seen.join("")).toBe("hello");
    end();
    expect(await ongoing.output).toEqual({ sent_bytes: 10, received_bytes: 5 });
  });
});
