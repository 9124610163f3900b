import { expect, test } from "bun:test";
import { openCaller } from "../src/caller.ts";
import { systemClock } from "../src/clock.ts";
import { KeyPair } from "../src/identity/key.ts";
import { collect, TestHome, TestNode } from "./harness/mesh.ts";

const agent = KeyPair.generate();
/** The home's owner may do everything, the agent only look at one folder. */
const policy = (own: string) => `  principals:
    owner: { key: "${own}", roles: [operator] }
    agent: { key: "${agent.publicKey.id}", roles: [reader] }
  roles:
    operator: [{ allow: [node.*, fs.*, audit.*] }]
    reader:
      - allow: [fs.list]
        on: ["fs:workspace/public/**"]`;

test("a caller with a key of its own gets no more over the local socket than its key has", async () => {
  await using a = await TestNode.start({ name: "a", policy });
  const caller = await a.caller(agent);
  const refused = await collect(caller, {
    node: "local",
    operation: "fs.list",
    input: { path: "/" },
  });
  expect(refused.error?.code).toBe("policy.denied");
  const entry = await a.call("local", "audit.list", { allowed: false, limit: 1 });
  expect(entry.values[0]).toMatchObject({
    principal: agent.publicKey.id,
    principal_name: "agent",
    via: a.test.id,
  });
  const listed = await collect(caller, {
    node: "a",
    operation: "fs.list",
    input: { path: "/public" },
  });
  expect(listed.error?.code).toBe("fs.missing");
  await caller[Symbol.asyncDispose]();
});

test("attack 31: a call through another node is seen as its signer's, on behalf of nobody else", async () => {
  const b = new TestHome({ name: "b" });
  // b is a principal of a; the agent is too. Through b's daemon the agent stays the agent, and b is noted.
  await using a = await TestNode.start({
    name: "a",
    policy: (own) =>
      policy(own).replace("  roles:\n", `    b: { key: "${b.id}", roles: [operator] }\n  roles:\n`),
  });
  b.configure({ name: "b", nodes: ` a: { endpoint: "${a.endpoint}", key: "${a.test.id}" } ` });
  await using running = await TestNode.start(b);
  const caller = await running.caller(agent);
  const refused = await collect(caller, { node: "a", operation: "fs.list", input: { path: "/" } });
  expect(refused.error?.code).toBe("policy.denied");
  expect((await running.call("a", "fs.list", { path: "/" })).error).toBeUndefined();
  const entry = await a.call("local", "audit.list", { allowed: false, limit: 1 });
  expect(entry.values[0]).toMatchObject({ principal: agent.publicKey.id, via: b.id });
  await caller[Symbol.asyncDispose]();
});

test("a caller with a key of its own gets no more without a daemon", async () => {
  using a = new TestHome({ name: "a", policy });
  const open = (identity: KeyPair | undefined) =>
    openCaller({
      home: a.home,
      configPath: a.home.config_path,
      clock: systemClock,
      identity,
      notice: () => {},
    });
  await using owner = await open(undefined);
  expect(
    (await collect(owner, { node: "local", operation: "fs.list", input: { path: "/" } })).error,
  ).toBeUndefined();
  await using asAgent = await open(agent);
  const refused = await collect(asAgent, {
    node: "local",
    operation: "fs.list",
    input: { path: "/" },
  });
  expect(refused.error?.code).toBe("policy.denied");
});
