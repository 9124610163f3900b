// Nodes keep each other's audit heads: a disk put back to an older state is found out by what others hold.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lastCheckpoint, signCheckpoint } from "../src/audit/checkpoint.ts";
import { heldByOthers, heldFor } from "../src/audit/kept_checkpoints.ts";
import type { OperonError } from "../src/error.ts";
import { KeyPair } from "../src/identity/key.ts";
import { operatorPolicy, TestHome, TestNode, until } from "./harness/mesh.ts";

let a: TestNode;
let b: TestNode;

beforeAll(async () => {
  const [keeper, kept] = [new TestHome({ name: "a" }), new TestHome({ name: "b" })];
  keeper.configure({ name: "a", policy: (own) => operatorPolicy(own, kept.id) });
  a = await TestNode.start(keeper);
  kept.configure({
    name: "b",
    nodes: `a: { endpoint: "${a.endpoint}", key: "${keeper.id}" }`,
  });
  b = await TestNode.start(kept);
});

afterAll(async () => {
  await b[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
});

const witness = async (checkpoint: unknown, node = b) => {
  const { output } = (await node.caller()).call("a", "audit.witness", { checkpoint });
  return output.then(
    (value) => value as { held?: unknown },
    (error: OperonError) => error.code,
  );
};

describe("a node whose peers keep its audit heads", () => {
  test("attack 34: learns that an older copy of its disk was put back, and where its log ends", async () => {
    const { audit_path } = b.test.home;
    const older = join(b.test.folder, "yesterday");
    await b.call("local", "fs.write", { path: "/one" });
    await until(() => (lastCheckpoint(audit_path)?.size ?? 0) > 0);
    cpSync(audit_path, older, { recursive: true });
    for (let count = 0; count < 20; count++) await b.call("local", "fs.stat", { path: "/one" });
    await until(() => (lastCheckpoint(audit_path)?.size ?? 0) > 20);
    await witness(lastCheckpoint(audit_path));
    const { hex } = b.test.key.publicKey;
    await until(() => heldFor(a.test.home.audit_path).find(hex) !== undefined);

    const { test: home } = b;
    await b.stop();
    rmSync(audit_path, { recursive: true });
    cpSync(older, audit_path, { recursive: true });
    b = await TestNode.start(home);
    await until(() => b.notices.some((notice) => notice.includes("older copy")));
    expect(heldByOthers(audit_path).list()).toHaveLength(1);
    const { output } = await b.call("local", "audit.verify", {});
    expect(output).toMatchObject({ ok: false, exit_code: 1 });
    const { problems } = output as { problems: { kind: string; message: string }[] };
    expect(problems.map(({ message }) => message).join()).toContain(a.test.id);
    const events = readFileSync(join(audit_path, `${"0".repeat(20)}.jsonl`), "utf8");
    expect(events).toContain('"rolled_back"');
  }, 30_000);

  test("gets no other node's checkpoint kept, and no forged one", async () => {
    const newest = lastCheckpoint(b.test.home.audit_path)!;
    const head = { size: 9_999_999, root: newest.root, last: newest.last };
    const stranger = signCheckpoint(head, { key: KeyPair.generate(), timeMs: 0 });
    expect(await witness(stranger)).toBe("audit.not_own");
    expect(await witness({ ...newest, size: 9_999_999 })).toBe("audit.checkpoint_forged");
    const { hex } = b.test.key.publicKey;
    expect(heldFor(a.test.home.audit_path).find(hex)?.size).toBeLessThan(9_999_999);
  });

  test("is told the largest head that was held, whatever came after", async () => {
    const held = heldFor(a.test.home.audit_path);
    const { hex } = b.test.key.publicKey;
    const before = held.find(hex)!;
    const small = signCheckpoint({ ...before, size: 1 }, { key: b.test.key, timeMs: 0 });
    expect(await witness(small)).toEqual({ held: before });
    expect(held.find(hex)).toEqual(before);
  });

  test("takes a damaged or exposed file of a held head for none", () => {
    const held = heldFor(a.test.home.audit_path);
    const { key } = held.list()[0]!;
    const path = join(a.test.home.audit_path, "held", `${key}.json`);
    writeFileSync(path, "{");
    expect(held.find(key)).toBeUndefined();
    expect(held.list()).toEqual([]);
  });
});
