import { describe, expect, test } from "bun:test";
import { KeyPair } from "../../identity/key.ts";
import type { Address } from "../address_book.ts";
import { judge } from "./discover.ts";
import { type HeardNode, HeardSet } from "./listen.ts";

const keys = Array.from({ length: 3 }, () => KeyPair.generate().publicKey);
const [own, first, second] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]];
const endpoint = "ws://192.0.2.7:7789";

const heard = (name: string, key = first): HeardNode => ({ name, key, endpoints: [endpoint] });
const known = (name: string, key: Address["key"], at: string | undefined = endpoint): Address => ({
  name,
  key,
  endpoint: at,
  isKeyConfigured: false,
  labels: {},
});
const states = (nodes: readonly HeardNode[], addresses: readonly Address[] = []) =>
  judge(nodes, { own: { name: "here", key: own.id }, known: addresses }).map(({ state }) => state);

describe("judge()", () => {
  test("shows a node nobody knows as new, with a fingerprint to compare", () => {
    const [found] = judge([heard("gpu")], { own: { name: "here", key: own.id }, known: [] });
    expect(found).toMatchObject({ state: "new", fingerprint: first.fingerprint, endpoint });
    expect(found?.note).toContain("Nobody vouches");
  });

  test("knows itself, and a node by its name and key", () => {
    expect(states([heard("here", own), heard("gpu")], [known("gpu", first)])).toEqual([
      "self",
      "known",
    ]);
  });

  test("attack 12: a known name with another key is a conflict, and says which key is known", () => {
    const around = { own: { name: "here", key: own.id }, known: [known("gpu", first)] };
    const [found] = judge([heard("gpu", second)], around);
    expect(found?.state).toBe("conflict");
    expect(found?.note).toContain(first.fingerprint);
  });

  test("attack 12: whoever claims a known name does not push the real one out", () => {
    const both = [heard("gpu", second), heard("gpu", first)];
    expect(states(both, [known("gpu", first)])).toEqual(["conflict", "known"]);
  });

  test("attack 12: two keys under a new name are conflicts, both", () => {
    expect(states([heard("gpu"), heard("gpu", second)])).toEqual(["conflict", "conflict"]);
  });

  test("attack 12: the own name with another key is a conflict", () => {
    expect(states([heard("here")])).toEqual(["conflict"]);
  });

  test("says under which name a key is known, and where", () => {
    const around = { own: { name: "here", key: own.id }, known: [known("big", first)] };
    expect(judge([heard("gpu")], around)[0]).toMatchObject({
      state: "known",
      note: "Known as big",
    });
    const moved = { ...around, known: [known("gpu", first, "ws://192.0.2.9:1")] };
    expect(judge([heard("gpu")], moved)[0]?.note).toBe("Known at ws://192.0.2.9:1");
  });

  test("takes a node that is known without a key for new: nobody compared it", () => {
    expect(states([heard("gpu")], [known("gpu", undefined)])).toEqual(["new"]);
  });
});

describe("HeardSet", () => {
  const node = (name: string, at = endpoint) => ({ name, key: first, endpoint: at });

  test("keeps one node of many announcements, other machines' endpoints first", () => {
    const set = new HeardSet();
    for (const at of ["ws://127.0.0.1:1", endpoint, endpoint])
      set.take({ announcements: [node("gpu", at)], malformed: 0 }, "192.0.2.7");
    const { nodes, isComplete } = set.result([]);
    expect(nodes.map(({ endpoints }) => endpoints)).toEqual([[endpoint, "ws://127.0.0.1:1"]]);
    expect(isComplete).toBe(true);
  });

  test("attack 12: keeps 64 nodes of one sender and 256 of all, and says that there were more", () => {
    const set = new HeardSet();
    for (let sender = 0; sender < 10; sender++) {
      const announcements = Array.from({ length: 1_000 }, (_, index) =>
        node(`n${sender}-${index}`),
      );
      set.take({ announcements, malformed: 0 }, `192.0.2.${sender}`);
      expect(set.result([]).nodes).toHaveLength(Math.min(64 * (sender + 1), 256));
      expect(set.result([]).isComplete).toBe(false);
    }
  });

  test("attack 12: keeps four endpoints of a node", () => {
    const set = new HeardSet();
    const announcements = Array.from({ length: 500 }, (_, port) =>
      node("gpu", `ws://h:${port + 1}`),
    );
    set.take({ announcements, malformed: 0 }, "192.0.2.1");
    expect(set.result([]).nodes[0]?.endpoints).toHaveLength(4);
  });

  test("attack 12: has enough of a flood after 10,000 messages", () => {
    const set = new HeardSet();
    const message = { announcements: [], malformed: 1 };
    for (let index = 1; index < 10_000; index++) expect(set.take(message, "x")).toBe(true);
    expect(set.take(message, "x")).toBe(false);
    expect(set.result([])).toMatchObject({ malformed: 10_000, isComplete: false });
  });
});
