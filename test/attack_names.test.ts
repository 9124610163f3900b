// Attack 12, as far as names and keys go: what a name says must not move its pin. (Announcements on the network come later.)
import { expect, test } from "bun:test";
import { KeyPair } from "../src/identity/key.ts";
import { KnownNodes } from "../src/identity/known_nodes.ts";
import { operatorPolicy, TestHome, TestNode } from "./harness/mesh.ts";

test("attack 12: another key behind a known name is refused and explained", async () => {
  await using impostor = await TestNode.start({ name: "gpu" });
  using home = new TestHome({ name: "a" });
  const real = KeyPair.generate();
  home.configure({
    name: "a",
    nodes: ` gpu: { endpoint: "${impostor.endpoint}", key: "${real.publicKey.id}" } `,
  });
  await using a = await TestNode.start(home);
  const refused = await a.call("gpu", "node.info", {});
  expect(refused.error).toMatchObject({ code: "identity.key_changed", kind: "unauthenticated" });
  expect(refused.error?.data).toMatchObject({
    expected: real.publicKey.id,
    actual: impostor.test.id,
  });
  // Only a person changes the file: forgetting drops what was pinned, and here nothing was.
  expect(refused.error?.hint).toContain("client.nodes.gpu.key");
  const forgotten = await a.call("local", "node.forget", { node: "gpu" });
  expect(forgotten.error).toMatchObject({ code: "node.configured", kind: "failed_precondition" });
});

test("attack 12: a key pinned on first use is not silent, and cannot change afterwards", async () => {
  using home = new TestHome({ name: "a" });
  const first = await TestNode.start({
    name: "gpu",
    policy: (own) => operatorPolicy(own, home.id),
  });
  home.configure({ name: "a", nodes: ` gpu: { endpoint: "${first.endpoint}" } ` });
  const a = await TestNode.start(home);
  expect((await a.call("gpu", "node.info", {})).error).toBeUndefined();
  expect(a.notices.join()).toContain(first.test.id);
  const known = KnownNodes.open(home.home.known_nodes_path);
  expect(known.find("gpu")?.key).toBe(first.test.id);
  await a.stop();
  await first[Symbol.asyncDispose]();
  await using second = await TestNode.start({
    name: "gpu",
    policy: (own) => operatorPolicy(own, home.id),
  });
  home.configure({ name: "a", nodes: ` gpu: { endpoint: "${second.endpoint}" } ` });
  const again = await TestNode.start(home);
  const { error } = await again.call("gpu", "node.info", {});
  expect(error?.code).toBe("identity.key_changed");
  expect(error?.hint).toContain("operon node forget gpu");
  expect((await again.call("local", "node.forget", { node: "gpu" })).error).toBeUndefined();
  await again.stop();
});

test("attack 12: a pin takes a new endpoint for its key, and never another key", () => {
  using home = new TestHome({ name: "a" });
  const known = KnownNodes.open(home.home.known_nodes_path);
  const key = KeyPair.generate().publicKey.id;
  known.pin({ name: "gpu", key, endpoint: "ws://192.0.2.7:7789" });
  known.pin({ name: "gpu", key, endpoint: "ws://192.0.2.8:7789" });
  const other = { name: "gpu", key: KeyPair.generate().publicKey.id };
  expect(() => known.pin(other)).toThrow("another key than the one pinned");
  expect(known.find("gpu")).toEqual({ name: "gpu", key, endpoint: "ws://192.0.2.8:7789" });
  known.remove("gpu");
  known.pin(other);
  expect(KnownNodes.open(home.home.known_nodes_path).find("gpu")).toEqual(other);
});

test("attack 12: control bytes and look-alikes are no names", () => {
  using home = new TestHome({ name: "a" });
  const known = KnownNodes.open(home.home.known_nodes_path);
  for (const name of [
    "gpu\n",
    "\x1b[31mgpu",
    "gpu\0",
    "GPU",
    "gpü",
    "../gpu",
    "",
    "x".repeat(65),
    "gpu\u202e",
  ]) {
    expect(() => known.pin({ name, key: home.id })).toThrow("cannot be the name");
  }
});
