import { expect, test } from "bun:test";
import { failureOf } from "./config.fixture.ts";
import { describeReach, parseListenAddress, reachOf } from "./listen_address.ts";

test("parseListenAddress() takes addresses and names apart", () => {
  expect(parseListenAddress("127.0.0.1:7789")).toEqual({ host: "127.0.0.1", port: 7789 });
  expect(parseListenAddress("[::1]:0")).toEqual({ host: "::1", port: 0 });
  expect(parseListenAddress("node-a.lan:65535")).toEqual({ host: "node-a.lan", port: 65_535 });
});

test("parseListenAddress() refuses what programs read differently", async () => {
  for (const text of [
    ...["", ":", "7789", ":7789", "host:", "host:x", "host:65536", "host:-1", "host: 1", "host:1 "],
    ...["127.1:80", "0:80", "256.0.0.1:80", "::1:80", "[::1]", "[127.0.0.1]:80", "[::1:80"],
    ...["a@b:80", "http://a:80", "a:80/x", "a:80#x", "a..b:80", "-a:80", "a\n:80", "a:1\n", "*:80"],
  ]) {
    expect((await failureOf(() => parseListenAddress(text))).code).toBe("config.listen_invalid");
  }
});

test("reachOf() tells who can connect", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"]) {
    expect(reachOf(host)).toBe("this_machine");
  }
  for (const host of [
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "100.96.12.34",
    "fd00::1",
    "fe80::1",
  ]) {
    expect(reachOf(host)).toBe("private_network");
  }
  for (const host of ["0.0.0.0", "::", "0:0::0"]) expect(reachOf(host)).toBe("every_network");
});

test("reachOf() counts what it cannot tell as reachable", () => {
  for (const host of [
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2001:db8::1",
    "localhost.evil",
    "a",
  ]) {
    expect(reachOf(host)).toBe("unknown_network");
    expect(describeReach({ host, port: 1 })).toContain("beyond this one");
  }
});
