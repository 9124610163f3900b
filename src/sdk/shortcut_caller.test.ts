import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { operatorPolicy, TestHome, TestNode } from "../../test/harness/mesh.ts";
import { systemClock } from "../clock.ts";
import type { Caller, OngoingCall } from "../contract/caller.ts";
import { createKey } from "../identity/keystore.ts";
import { openHomeNodes } from "./home_nodes.ts";
import { openShortcut } from "./shortcut_caller.ts";

let near: TestNode;
let far: TestNode;

beforeAll(async () => {
  const nearHome = new TestHome({ name: "near" });
  far = await TestNode.start({ name: "far", policy: (own) => operatorPolicy(own, nearHome.id) });
  const known = `{ endpoint: "${far.endpoint}", key: "${far.facts.key}" }`;
  const other = createKey(join(nearHome.folder, "other")).publicKey.id;
  const gone = `{ endpoint: "ws://127.0.0.1:1", key: "${other}" }`;
  const nodes = ` far: ${known}, gone: ${gone} `;
  nearHome.configure({ ...nearHome.options, nodes });
  near = await TestNode.start(nearHome);
});

afterAll(async () => {
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
});

const options = () => ({
  home: near.test.home,
  configPath: near.test.home.config_path,
  clock: systemClock,
  identity: undefined,
  notice: () => {},
});

/** Stands in for the way through the daemon, and notes what is asked of it. */
function recording() {
  const asked: string[] = [];
  const caller: Caller = {
    call(node): OngoingCall {
      asked.push(node);
      throw new Error("asked the daemon");
    },
    async [Symbol.asyncDispose]() {
      asked.push("disposed");
    },
  };
  return { asked, caller };
}

test("a node that can be reached is called without the daemon, the others and the own one through it", async () => {
  const daemon = recording();
  const caller = await openShortcut(daemon.caller, options());
  const info = await caller.call("far", "node.info", {}).output;
  expect(info).toMatchObject({ node_id: "far" });
  for (const node of ["gone", "unknown"])
    await expect(caller.call(node, "node.info", {}).output).rejects.toThrow();
  expect(() => caller.call("local", "node.info", {})).toThrow();
  expect(daemon.asked).toEqual(["gone", "unknown", "local"]);
  await caller[Symbol.asyncDispose]();
  expect(daemon.asked.at(-1)).toBe("disposed");
});

test("without a readable home everything goes through the daemon", async () => {
  const daemon = recording();
  const caller = await openShortcut(daemon.caller, { ...options(), configPath: "/nowhere" });
  expect(caller).toBe(daemon.caller);
});

test("a session that only calls is not taken for a way to the node that has its key", async () => {
  await near.call("far", "node.info", {});
  await using caller = await openHomeNodes(options());
  await caller.call("far", "node.info", {}).output;
  // The far node is no principal of the near one, whose daemon says so; a caller would say that it serves nothing.
  const { error } = await far.call(near.test.id, "node.info", {});
  expect(error?.code).toBe("policy.denied");
});
