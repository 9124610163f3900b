import { describe, expect, test } from "bun:test";
import { KeyPair } from "../../identity/key.ts";
import { announcementsIn, type DnsRecord, recordsOf, SERVICE } from "./announcement.ts";

const key = KeyPair.generate().publicKey;
const announcement = { name: "gpu", key, endpoint: "ws://192.0.2.7:7789" };
const bytes = (text: string) => new TextEncoder().encode(text);
const fine = ["v=1", "name=gpu", `key=${key.id}`, "endpoint=ws://192.0.2.7:7789"];

/** As it is after a way over the network: texts are bytes there. */
function received(texts: readonly (string | Uint8Array)[], more: Partial<DnsRecord> = {}) {
  const data = texts.map((text) => (typeof text === "string" ? bytes(text) : text));
  const record = { type: "TXT", name: `gpu-x.${SERVICE}`, ttl: 120, data, ...more };
  return announcementsIn({ answers: [], additionals: [record] });
}

describe("announcementsIn()", () => {
  test("reads what recordsOf() writes", () => {
    const { additionals } = recordsOf(announcement, "192.0.2.7");
    const text = additionals.find(({ type }) => type === "TXT")?.data as string[];
    const { announcements, malformed } = received(text);
    expect(malformed).toBe(0);
    expect(announcements).toHaveLength(1);
    expect({ ...announcements[0], key: announcements[0]?.key.id }).toEqual({
      ...announcement,
      key: key.id,
    });
  });

  test("ignores fields it does not know", () => {
    expect(received([...fine, "later=yes"]).announcements).toHaveLength(1);
  });

  test.each([
    ["control bytes in a name", "name=gp\u001b[2Ju"],
    ["a newline at its end", "name=gpu\n"],
    ["a name in capitals", "name=GPU"],
    ["the name of everybody's own node", "name=local"],
    ["a path as a name", "name=../gpu"],
    ["a name that is too long", `name=${"x".repeat(65)}`],
    ["no name", "nam=gpu"],
    ["a field twice", "v=1"],
    ["a field without a value", "name"],
    ["an empty text", ""],
  ])("attack 12: an announcement with %s is malformed", (_what, text) => {
    const { announcements, malformed } = received([text, ...fine.filter((one) => one !== fine[1])]);
    expect({ announcements, malformed }).toEqual({ announcements: [], malformed: 1 });
  });

  test.each([
    ["no address", "endpoint=nowhere"],
    ["http", "endpoint=http://192.0.2.7:7789"],
    ["credentials", "endpoint=ws://me:secret@192.0.2.7:7789"],
    ["a path", "endpoint=ws://192.0.2.7:7789/admin"],
    ["a query", "endpoint=ws://192.0.2.7:7789?x=1"],
    ["a space", "endpoint=ws://192.0.2.7:7789 "],
    ["control bytes", "endpoint=ws://192.0.2.7:7789\u0007"],
    ["no end", `endpoint=ws://${"a.".repeat(100)}b:1`],
  ])("attack 12: an endpoint with %s is malformed", (_what, text) => {
    expect(received([...fine.slice(0, 3), text]).malformed).toBe(1);
  });

  test("attack 12: keys nobody can have, other versions and bytes that are no text are malformed", () => {
    const [v = "", name = "", id = "", endpoint = ""] = fine;
    const zeros = `key=ed25519:${"a".repeat(52)}`;
    for (const wrong of [zeros, "key=ed25519:x", `${id}a`, `key=${key.fingerprint}`])
      expect(received([v, name, wrong, endpoint]).malformed).toBe(1);
    expect(received(["v=2", name, id, endpoint]).malformed).toBe(1);
    expect(received([v, new Uint8Array([0xff, 0xfe]), id, endpoint]).malformed).toBe(1);
    expect(received([v, name, id, endpoint], { data: "text" }).malformed).toBe(1);
    expect(received([...fine, ...Array.from({ length: 20 }, (_, i) => `f${i}=1`)]).malformed).toBe(
      1,
    );
  });

  test("takes no record of another service, nor one that is taken back", () => {
    const nothing = { announcements: [], malformed: 0 };
    expect(received(fine, { name: "gpu._ssh._tcp.local" })).toEqual(nothing);
    expect(received(fine, { name: SERVICE })).toEqual(nothing);
    expect(received(fine, { ttl: 0 })).toEqual(nothing);
    expect(received(fine, { type: "NULL" })).toEqual(nothing);
  });

  test("attack 12: looks at 64 records of a message and no more", () => {
    const record = { type: "TXT", name: `x.${SERVICE}`, ttl: 1, data: [bytes("v=9")] };
    const answers = Array.from({ length: 1_000 }, () => record);
    expect(announcementsIn({ answers, additionals: answers }).malformed).toBe(64);
  });
});
