// Attack 28, disk: what a narrow role can make a node write by asking for what it may not do.

import { expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { KeyPair } from "../src/identity/key.ts";
import { collect, operatorPolicy, TestHome, TestNode } from "./harness/mesh.ts";

const CALLS = 200;
/** Policy may let a minute pass meanwhile, on a busy machine even more than one. */
const WRITTEN_MAX = 60;

interface Entry {
  readonly event: string;
  readonly cut?: boolean;
  readonly facts?: { readonly refused?: Readonly<Record<string, number>> };
}

test("attack 28: refused calls do not fill the disk, and none of them is lost silently", async () => {
  const narrow = KeyPair.generate();
  const policy = (own: string) =>
    operatorPolicy(own).replace(
      "  roles:",
      `    narrow: { key: "${narrow.publicKey.id}", roles: [narrow] }\n  roles:\n    narrow: [{ allow: [node.info] }]`,
    );
  using home = new TestHome({ name: "a", policy });
  const startMs = performance.now();
  const node = await TestNode.start(home);
  const before = bytesIn(home.home.audit_path);
  const caller = await node.caller(narrow);
  const argv = ["echo", ...Array.from({ length: 200 }, () => "x".repeat(400))];
  for (let at = 0; at < CALLS; at++) {
    const [operation, input] = at % 2 ? ["exec.run", { argv }] : ["no.such_operation", {}];
    const { error } = await collect(caller, { node: "local", operation, input });
    expect(error?.code).toBe(at % 2 ? "policy.denied" : "node.operation_unknown");
  }
  await caller[Symbol.asyncDispose]();
  await node.stop();
  const minutes = Math.ceil((performance.now() - startMs) / 60_000) + 1;
  expect(bytesIn(home.home.audit_path) - before).toBeLessThan(minutes * WRITTEN_MAX * 4096);

  const again = await TestNode.start(home);
  const principal = narrow.publicKey.id;
  const { values } = await again.call("local", "audit.list", { principal, limit: 1000 });
  const entries = values as Entry[];
  const counts = entries.flatMap(({ facts }) => Object.values(facts?.refused ?? {}));
  const counted = counts.reduce((sum, count) => sum + count, 0);
  const single = entries.filter(({ facts }) => facts?.refused === undefined);
  expect(single.length).toBeLessThanOrEqual(minutes * WRITTEN_MAX);
  expect(single.length + counted).toBe(CALLS);
  const { output } = await again.call("local", "audit.verify", {});
  expect(output).toMatchObject({ ok: true });
  await again.stop();
}, 120_000);

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
