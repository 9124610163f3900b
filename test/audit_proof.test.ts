// What a node's log says about who asked can be checked without trust in the node.
import { expect, test } from "bun:test";
import type { AuditReport } from "../src/audit/entry.ts";
import { KeyPair } from "../src/identity/key.ts";
import { collect, operatorPolicy, TestHome, TestNode } from "./harness/mesh.ts";

test("audit.verify proves every decision, whichever way the call came", async () => {
  const agent = KeyPair.generate();
  using b = new TestHome({ name: "b" });
  await using a = await TestNode.start({
    name: "a",
    policy: (own) => operatorPolicy(own, b.id, agent.publicKey.id),
  });
  b.configure({ name: "b", nodes: ` a: { endpoint: "${a.endpoint}", key: "${a.test.id}" } ` });
  const remote = await TestNode.start(b);
  // Over the own socket, over another node, several under one signature, and by a key that signs for itself.
  await a.call("local", "fs.stat", { path: "/" });
  await Promise.all(Array.from({ length: 5 }, () => remote.call("a", "fs.list", { path: "/" })));
  const refused = await remote.call("a", "fs.read", { path: "/secrets/key" });
  expect(refused.error?.code).toBe("policy.denied");
  await using own = await a.caller(agent);
  await collect(own, { node: "local", operation: "fs.mkdir", input: { path: "/made" } });
  const verified = await a.call("local", "audit.verify", { proofs: true });
  const report = verified.output as AuditReport;
  expect(report).toMatchObject({ ok: true, problems: [] });
  const { values } = await a.call("local", "audit.list", { event: "decided" });
  const before = (values as { sequence: number; operation: string }[]).filter(
    ({ sequence }) => sequence <= (report.last?.sequence ?? 0),
  );
  expect(report.proved).toBe(before.length);
  const operations = new Set(before.map(({ operation }) => operation));
  expect([...operations].sort()).toEqual([
    "audit.verify",
    "fs.list",
    "fs.mkdir",
    "fs.read",
    "fs.stat",
    "node.resolve",
  ]);
  await remote.stop();
});
