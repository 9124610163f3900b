// What a key that is no principal, or a node that is only half trusted, can do to a node that lets others join.

import { expect, test } from "bun:test";
import { KeyPair } from "../src/identity/key.ts";
import { KnownNodes } from "../src/identity/known_nodes.ts";
import { operatorPolicy, TestHome, TestNode, until } from "./harness/mesh.ts";
import { RawPeer } from "./harness/raw_peer.ts";

const TRIES = 300;

/** Tries to redeem an invitation it does not have, over and over; how many entries the node's log has of it. */
async function tryManyTimes(node: TestNode): Promise<number> {
  const peer = await RawPeer.connect(node.facts.endpoint ?? "", KeyPair.generate());
  for (let index = 0; index < TRIES; index++) {
    const answer = await peer.call({ operation: "node.redeem", input: { proof: `no ${index}` } });
    expect(answer?.ok).toBeFalse();
  }
  peer.socket.close();
  const { values } = await node.call("local", "audit.list", { limit: 10_000 });
  return (values as { principal?: string }[]).filter(
    ({ principal }) => principal === peer.key.publicKey.id,
  ).length;
}

test("a stranger's tries without any invitation do not fill the audit log", async () => {
  await using node = await TestNode.start({ name: "a" });
  const startMs = performance.now();
  const entries = await tryManyTimes(node);
  const seconds = Math.ceil((performance.now() - startMs) / 1000) + 1;
  expect(entries).toBeLessThanOrEqual(Math.min(20 * seconds, TRIES));
}, 30_000);

test("a stranger's tries at an open invitation do not fill the audit log", async () => {
  await using node = await TestNode.start({ name: "a" });
  const invite = await node.call("local", "node.invite", { roles: ["operator"] });
  const startMs = performance.now();
  const entries = await tryManyTimes(node);
  const seconds = Math.ceil((performance.now() - startMs) / 1000) + 1;
  // What is tried is decided and finished; what is turned away is rejected.
  expect(entries).toBeLessThan(Math.min(3 * 20 * seconds, 2 * TRIES));
  // The invitation itself is as good as before.
  await using joiner = await TestNode.start({ name: "b" });
  const { code } = invite.output as { code: string };
  await until(
    async () => (await joiner.call("local", "node.join", { code })).error === undefined,
    30_000,
  );
}, 60_000);

test("a proof of whatever characters is refused as one that does not hold", async () => {
  await using node = await TestNode.start({ name: "a" });
  await node.call("local", "node.invite", { roles: ["operator"] });
  const peer = await RawPeer.connect(node.facts.endpoint ?? "", KeyPair.generate());
  for (const proof of ["0".repeat(64), "é".repeat(64), "é".repeat(32)]) {
    const answer = await peer.call({ operation: "node.redeem", input: { proof } });
    expect(answer).toMatchObject({ ok: false, error: { code: "node.invite_invalid" } });
  }
  expect(node.notices).toEqual([]);
  peer.socket.close();
});

test("a node that invites cannot take a name the configuration keeps for another", async () => {
  const home = new TestHome({ name: "a" });
  home.configure({ name: "a", nodes: ` prod: { endpoint: "ws://127.0.0.1:9" } ` });
  await using node = await TestNode.start(home);
  await using hostile = await TestNode.start({ name: "prod" });
  const invite = await hostile.call("local", "node.invite", { roles: ["operator"] });
  const { code } = invite.output as { code: string };
  const joined = await node.call("local", "node.join", { code });
  expect(joined.output).toMatchObject({ node: "prod-2", key: hostile.test.id });
  // Not answered by the one that only calls itself so.
  expect((await node.call("prod", "node.info", {})).error?.code).toBe("wire.unreachable");
  expect(KnownNodes.open(home.home.known_nodes_path).find("prod")).toBeUndefined();
  expect((await node.call("prod-2", "node.info", {})).output).toMatchObject({ node_id: "prod" });
}, 30_000);

test("a node is joined under another name where it has this node's own", async () => {
  await using node = await TestNode.start({ name: "a" });
  await using other = await TestNode.start({ name: "a" });
  const invite = await other.call("local", "node.invite", { roles: ["operator"] });
  const { code } = invite.output as { code: string };
  expect((await node.call("local", "node.join", { code })).output).toMatchObject({ node: "a-2" });
  expect((await node.call("a-2", "node.info", {})).output).toMatchObject({ key: other.test.id });
}, 30_000);

test("a node that joins cannot choose a name the policy keeps for another", async () => {
  const policy = (own: string) =>
    `${operatorPolicy(own)}\n  services: [{ id: web, published_by: [gpu, disk] }]`;
  await using node = await TestNode.start({ name: "a", policy });
  const joinAs = async (name: string, invitation: object) => {
    const invite = await node.call("local", "node.invite", { roles: ["operator"], ...invitation });
    await using joiner = await TestNode.start({ name });
    const { code } = invite.output as { code: string };
    expect((await joiner.call("local", "node.join", { code })).error).toBeUndefined();
    const policyNow = (await node.call("local", "policy.show", {})).output;
    return JSON.stringify(policyNow);
  };
  expect(await joinAs("gpu", {})).toContain('"gpu-2"');
  // Whoever invites may mean just that name.
  expect(await joinAs("other", { name: "disk" })).not.toContain('"disk-2"');
}, 60_000);
