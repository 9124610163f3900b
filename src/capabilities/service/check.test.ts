// Whether services answer: connections, HTTP statuses, refused datagrams.
import { expect, test } from "bun:test";
import { checkService } from "./check.ts";
import { serveTcp } from "./service.fixture.ts";
import { settings } from "./settings.ts";

const check = (input: object) => {
  const [service] = settings.parse([{ id: "one", host: "127.0.0.1", ...input }]);
  return checkService(service!, new AbortController().signal);
};

async function answering(answer: string) {
  return await serveTcp((socket) => socket.once("data", () => socket.end(answer)));
}

test("checkService() finds a port that takes connections", async () => {
  await using service = await serveTcp(() => {});
  expect(await check({ port: service.port })).toEqual({ state: "up" });
});

test("checkService() finds a port nobody listens on", async () => {
  expect(await check({ port: 1 })).toMatchObject({ state: "down" });
  expect(await check({ port: 1, protocol: "http" })).toMatchObject({ state: "down" });
});

test.each([
  ["HTTP/1.1 200 OK\r\n\r\n", { state: "up", status: 200 }],
  ["HTTP/1.1 404 Not Found\r\n\r\n", { state: "up", status: 404 }],
  ["HTTP/1.0 503 Busy\r\n\r\n", { state: "down", status: 503 }],
  ["SSH-2.0-OpenSSH\r\n", { state: "down", detail: "It does not answer as HTTP" }],
  ["HTTP/1.1 99", { state: "down", detail: "It does not answer as HTTP" }],
  ["", { state: "down", detail: "It does not answer as HTTP" }],
])("checkService() takes %j for %j", async (answer, found) => {
  await using service = await answering(answer);
  expect(await check({ port: service.port, protocol: "http" })).toEqual(found as never);
});

test("checkService() does not follow where an answer points to", async () => {
  let asked = 0;
  await using inner = await serveTcp(() => void asked++);
  await using service = await answering(
    `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${inner.port}/\r\n\r\n`,
  );
  expect(await check({ port: service.port, protocol: "http" })).toEqual({
    state: "up",
    status: 302,
  });
  expect(asked).toBe(0);
});

test("checkService() gives up on a service that takes a connection and says nothing", async () => {
  await using service = await serveTcp(() => {});
  const found = await check({ port: service.port, protocol: "http", dial_timeout_secs: 0.05 });
  const detail = "It took the connection and did not answer within 0.05 s";
  expect(found).toEqual({ state: "down", detail });
});

test("checkService() says of a service that cuts the connection off that it did", async () => {
  await using service = await serveTcp((socket) =>
    socket.once("data", () => socket.resetAndDestroy()),
  );
  const found = await check({ port: service.port, protocol: "http" });
  expect(found).toEqual({ state: "down", detail: "The connection was cut off" });
});

test("checkService() finds a refused datagram, and no more than that", async () => {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0, socket: {} });
  expect(await check({ port: socket.port, protocol: "udp" })).toMatchObject({ state: "unknown" });
  const { port } = socket;
  socket.close();
  expect(await check({ port, protocol: "udp" })).toMatchObject({ state: "down" });
});

test.each([
  ["no address", { id: "a" }],
  ["a port without a host", { id: "a", port: 1 }],
  ["a host and a publisher", { id: "a", host: "h", port: 1, published_by: ["x"] }],
  ["a published udp service", { id: "a", protocol: "udp", published_by: ["x"] }],
  ["a port out of range", { id: "a", host: "h", port: 65_536 }],
  ["port 0", { id: "a", host: "h", port: 0 }],
  ["a path as a host", { id: "a", host: "/run/docker.sock", port: 1 }],
  ["a URL as a host", { id: "a", host: "http://h", port: 1 }],
  ["a name with a slash", { id: "a/b", host: "h", port: 1 }],
  ["a header in the path", { id: "a", host: "h", port: 1, check_path: "/ HTTP/1.1\r\nX: y" }],
  ["an unknown key", { id: "a", host: "h", port: 1, tls: true }],
])("the configuration of services refuses %s", (_what, service) => {
  expect(settings.safeParse([service]).success).toBeFalse();
});

test("the configuration of services refuses an id twice", () => {
  const service = { id: "a", host: "h", port: 1 };
  expect(settings.safeParse([service]).success).toBeTrue();
  expect(settings.safeParse([service, { ...service, port: 2 }]).success).toBeFalse();
});
