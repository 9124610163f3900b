import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/clock.ts";
import { KeyPair } from "../../identity/key.ts";
import { announcementsIn, recordsOf } from "./announcement.ts";
import { Announcer, announcedAddresses, endpointOn } from "./announcer.ts";
import { interfaceAddresses, openMulticast } from "./multicast.ts";

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

test("attack 12: a flood of questions is answered five times a second", async () => {
  const clock = new ManualClock();
  const key = KeyPair.generate().publicKey;
  const options = { name: "quiet", key, host: "127.0.0.1", port: 7789, endpoint: undefined, clock };
  let heard = 0;
  using listening = await openMulticast(["127.0.0.1"], {
    response: ({ additionals }) => {
      if (additionals.some(({ name }) => name.includes(key.fingerprint))) heard++;
    },
  });
  using announcer = await Announcer.open(options);
  const ask = async (passedMs: number) => {
    for (let index = 0; index < 100; index++) announcer?.answer();
    clock.advance(passedMs);
    await new Promise((resolve) => setTimeout(resolve, 100));
  };
  expect(listening.addresses).toEqual(["127.0.0.1"]);
  await ask(199);
  expect(heard).toBeLessThanOrEqual(1);
  await ask(1);
  expect(heard).toBeLessThanOrEqual(2);
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
