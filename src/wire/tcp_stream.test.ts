import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { until } from "../../test/harness/mesh.ts";
import { systemClock } from "../clock.ts";
import { dialTcp, listenTcp, type TcpStream } from "./tcp_stream.ts";

const { signal } = new AbortController();

/** One connection: a stream at one end, a socket of another library at the other. */
async function opened() {
  const { promise: accepted, resolve } = Promise.withResolvers<TcpStream>();
  const listener = listenTcp({ host: "127.0.0.1", port: 0 }, resolve);
  const socket = connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  const stream = await accepted;
  listener[Symbol.dispose]();
  return {
    stream,
    socket,
    [Symbol.dispose]() {
      stream.close();
      socket.destroy();
    },
  };
}

async function bytesOf(stream: TcpStream): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream.chunks()) bytes += chunk.byteLength;
  return bytes;
}

function endOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on("end", () => resolve("end"));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.resume();
  });
}

test("a stream ends with the other end's half-close and may still write", async () => {
  using one = await opened();
  one.socket.end("hello");
  expect(await bytesOf(one.stream)).toBe(5);
  const ended = endOf(one.socket);
  await one.stream.write(new Uint8Array(3_000_000));
  one.stream.end();
  expect(await ended).toBe("end");
  expect(one.socket.bytesRead).toBe(3_000_000);
});

test("a stream ends in order when the other end answers a half-close with its own", async () => {
  using one = await opened();
  one.stream.end();
  one.socket.on("end", () => one.socket.end("late"));
  one.socket.resume();
  expect(await bytesOf(one.stream)).toBe(4);
  await one.stream.closed;
});

test("a stream fails when the other end resets, after what came before", async () => {
  using one = await opened();
  one.socket.resetAndDestroy();
  await expect(bytesOf(one.stream)).rejects.toMatchObject({ code: "wire.connection_reset" });
  await expect(one.stream.write(new Uint8Array(1))).rejects.toMatchObject({
    code: "wire.connection_reset",
  });
});

test("a reset arrives as one, and not as an end", async () => {
  using one = await opened();
  const ended = endOf(one.socket);
  one.stream.reset();
  expect(await ended).toBe("ECONNRESET");
});

test("close() before both directions ended is a reset", async () => {
  using one = await opened();
  const ended = endOf(one.socket);
  one.stream.end();
  one.stream.close();
  expect(await ended).toBeOneOf(["ECONNRESET", "end"]);
  await one.stream.closed;
});

test("a stream nobody reads takes no more than its bound, and gives all of it later", async () => {
  using one = await opened();
  const size = 64_000_000;
  one.socket.end(new Uint8Array(size));
  let left = size;
  await until(() => {
    const isStill = one.socket.writableLength === left;
    left = one.socket.writableLength;
    return isStill;
  });
  expect(left).toBeGreaterThan(size / 2);
  expect(await bytesOf(one.stream)).toBe(size);
});

test("a write waits for a reader that stalls, and fails when that one leaves", async () => {
  using one = await opened();
  one.socket.pause();
  let isDone = false;
  const writing = one.stream.write(new Uint8Array(64_000_000)).finally(() => {
    isDone = true;
  });
  await until(() => one.socket.readableLength > 0 || one.socket.bytesRead === 0);
  expect(isDone).toBeFalse();
  one.socket.resetAndDestroy();
  await expect(writing).rejects.toMatchObject({ code: "wire.connection_reset" });
});

test("dialTcp() fails where nobody listens, and for a name there is not", async () => {
  const options = { clock: systemClock, timeoutMs: 5_000, signal };
  await expect(dialTcp({ ...options, host: "127.0.0.1", port: 1 })).rejects.toMatchObject({
    code: "wire.dial_failed",
  });
  await expect(dialTcp({ ...options, host: "no-such.invalid", port: 1 })).rejects.toMatchObject({
    code: "wire.dial_failed",
  });
});

test("dialTcp() gives up after its time, or when it is aborted", async () => {
  const options = { host: "192.0.2.1", port: 9, clock: systemClock };
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(dialTcp({ ...options, timeoutMs: 5_000, signal: aborted })).rejects.toThrow(
    "enough",
  );
  await expect(dialTcp({ ...options, timeoutMs: 20, signal })).rejects.toMatchObject({
    kind: "unavailable",
  });
});

test("listenTcp() fails where another program listens", () => {
  using listener = listenTcp({ host: "127.0.0.1", port: 0 }, () => {});
  expect(() => listenTcp({ host: "127.0.0.1", port: listener.port }, () => {})).toThrow(
    "Cannot listen",
  );
});
