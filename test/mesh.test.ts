import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { operatorPolicy, TestHome, TestNode, textStream, until } from "./harness/mesh.ts";

describe("two nodes", () => {
  let a: TestNode;
  let b: TestNode;

  beforeAll(async () => {
    a = await TestNode.start({ name: "a" });
    b = await TestNode.start({ name: "b" });
    const invite = await a.call("local", "node.invite", { roles: ["operator"] });
    const { code } = invite.output as { code: string };
    const joined = await b.call("local", "node.join", { code });
    expect(joined.error).toBeUndefined();
    expect(joined.output).toMatchObject({ node: "a", key: a.test.id, roles: ["operator"] });
  });

  afterAll(async () => {
    await b[Symbol.asyncDispose]();
    await a[Symbol.asyncDispose]();
  });

  test("a joined node writes, reads and runs on the other", async () => {
    const written = await b.call(
      "a",
      "fs.write",
      { path: "/x.txt" },
      { outgoing: textStream("hello") },
    );
    expect(written.output).toMatchObject({ size_bytes: 5, created: true });
    expect(readFileSync(join(a.test.workspace, "x.txt"), "utf8")).toBe("hello");
    expect((await b.call("a", "fs.read", { path: "/x.txt" })).text).toBe("hello");
    const run = await b.call("a", "exec.run", { argv: ["cat", "x.txt"] });
    expect(run.text).toBe("hello");
    expect(run.output).toMatchObject({ exit_code: 0 });
  });

  test("a name that stands for the own key is no other node's", async () => {
    const home = new TestHome({ name: "c" });
    home.configure({
      ...home.options,
      nodes: ` far: { endpoint: "${a.endpoint}", key: "${home.id}" } `,
    });
    await using c = await TestNode.start(home);
    expect((await c.call("far", "node.info", {})).error?.code).toBe("node.own_key");
    expect((await c.call("c", "node.info", {})).error).toBeUndefined();
  });

  test("the inviter gets no rights on the joiner", async () => {
    const refused = await a.call("b", "fs.list", { path: "/" });
    expect(refused.error?.code).toBe("policy.denied");
    expect(refused.error?.data?.reason).toBe("principal-unknown");
  });

  test("an invitation is good once", async () => {
    const { code } = (await a.call("local", "node.invite", { roles: ["operator"] })).output as {
      code: string;
    };
    const c = await TestNode.start({ name: "c" });
    const d = await TestNode.start({ name: "d" });
    try {
      expect((await c.call("local", "node.join", { code })).error).toBeUndefined();
      const second = await d.call("local", "node.join", { code });
      expect(second.error?.kind).toBe("permission_denied");
      expect((await d.call("local", "node.list", {})).output).toMatchObject({
        nodes: [{ name: "d" }],
      });
    } finally {
      await c[Symbol.asyncDispose]();
      await d[Symbol.asyncDispose]();
    }
  });

  test("an invitation lets in who may do nothing else afterwards", async () => {
    const policy = (own: string) => `${operatorPolicy(own)}
    looker:
      - allow: [fs.list]`;
    await using host = await TestNode.start({ name: "host", policy });
    const { output } = await host.call("local", "node.invite", { roles: ["looker"] });
    await using joiner = await TestNode.start({ name: "joiner" });
    const joined = await joiner.call("local", "node.join", {
      code: (output as { code: string }).code,
    });
    expect(joined.error).toBeUndefined();
    expect(joined.output).toMatchObject({ node: "host", roles: ["looker"] });
    expect((await joiner.call("host", "fs.list", { path: "/" })).error).toBeUndefined();
    expect((await joiner.call("host", "node.info", {})).error?.code).toBe("policy.denied");
  });

  test("a refusal names the rule, and both chains hold who asked", async () => {
    mkdirSync(join(a.test.workspace, "secrets"), { recursive: true });
    writeFileSync(join(a.test.workspace, "secrets", "key"), "top secret");
    const refused = await b.call("a", "fs.read", { path: "/secrets/key" });
    expect(refused.error?.code).toBe("policy.denied");
    expect(refused.receipt?.decision).toMatchObject({
      verdict: "deny",
      reason: "denied-by-rule",
      rule: { role: "operator", index: 1, file: "config.yaml" },
    });
    const listed = await a.call("local", "audit.list", { allowed: false, limit: 1 });
    expect(listed.values[0]).toMatchObject({
      event: "decided",
      principal: b.test.id,
      operation: "fs.read",
      resources: ["fs:workspace/secrets/key"],
    });
    expect((await a.call("local", "audit.verify", {})).output).toMatchObject({ ok: true });
    expect((await b.call("local", "audit.verify", {})).output).toMatchObject({ ok: true });
  });

  test("a node that only dialled out is callable over the socket it opened", async () => {
    // `a` never dials b: b's session to a is what it uses, and b's policy still decides.
    await b.call("a", "node.info", {});
    b.test.configure({ ...b.test.options, policy: (own) => operatorPolicy(own, a.test.id) });
    await until(
      async () => (await a.call(b.test.id, "fs.list", { path: "/" })).error === undefined,
    );
  });

  test("a stream of 100,000 entries arrives whole", async () => {
    const folder = join(a.test.workspace, "many");
    mkdirSync(folder);
    for (let index = 0; index < 100_000; index++) writeFileSync(join(folder, `f${index}`), "");
    const listed = await b.call("a", "fs.list", { path: "/many" });
    expect(listed.error).toBeUndefined();
    expect(new Set((listed.values as { name: string }[]).map((entry) => entry.name)).size).toBe(
      100_000,
    );
  }, 30_000);
});

test("a call to a node that is down says so and what to do", async () => {
  const home = new TestHome({ name: "a" });
  home.configure({ name: "a", nodes: ` gone: { endpoint: "ws://127.0.0.1:9" } ` });
  await using a = await TestNode.start(home);
  const failed = await a.call("gone", "node.info", {});
  expect(failed.error).toMatchObject({ code: "wire.unreachable", kind: "unavailable" });
  expect(failed.error?.hint).toContain("daemon");
});

test("two daemons cannot share a home", async () => {
  await using a = await TestNode.start({ name: "a" });
  expect(TestNode.start(a.test)).rejects.toMatchObject({ code: "node.already_running" });
});
