import { describe, expect, test } from "bun:test";
import { KeyPair } from "../../identity/key.ts";
import { announcementsIn, recordsOf } from "./announcement.ts";
import { announcedAddresses, endpointOn } from "./announcer.ts";
import { interfaceAddresses } from "./multicast.ts";

describe("announcedAddresses()", () => {
  test("is loopback alone for a node that listens there", () => {
    for (const host of ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
      expect(announcedAddresses(host)).toEqual(["127.0.0.1"]);
  });

  test("is every interface for a node that listens on all of them", () => {
    for (const host of ["0.0.0.0", "::"])
      expect(announcedAddresses(host)).toEqual(interfaceAddresses({ loopback: true }));
  });

  test("is never loopback for an address or a name of another machine's sight", () => {
    for (const host of ["fd00::7", "gpu.example.com"])
      expect(announcedAddresses(host)).toEqual(interfaceAddresses({ loopback: false }));
  });
});

describe("endpointOn()", () => {
  test.each([
    ["0.0.0.0", 7789, "ws://192.0.2.7:7789"],
    ["::", 7789, "ws://192.0.2.7:7789"],
    ["192.0.2.9", 7789, "ws://192.0.2.9:7789"],
    ["fd00::7", 7789, "ws://[fd00::7]:7789"],
    ["0.0.0.0", 80, "ws://192.0.2.7"],
  ])("for %s and port %d is in a form that readers take", (host, port, endpoint) => {
    expect(endpointOn("192.0.2.7", host, port)).toBe(endpoint);
    const announcement = { name: "gpu", key: KeyPair.generate().publicKey, endpoint };
    const { additionals } = recordsOf(announcement, "192.0.2.7");
    const received = additionals.map(({ data, ...rest }) => ({
      ...rest,
      data: Array.isArray(data) ? data.map((text) => new TextEncoder().encode(text)) : data,
    }));
    const { announcements } = announcementsIn({ answers: [], additionals: received });
    expect(announcements.map((one) => one.endpoint)).toEqual([endpoint]);
  });
});
