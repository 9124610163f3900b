// A daemon whose address in the configuration changes while it runs: it goes there, and loses nobody.
import { expect, test } from "bun:test";
import { freePort } from "./harness/free_port.ts";
import { operatorPolicy, TestHome, TestNode, type TestNodeOptions, until } from "./harness/mesh.ts";

/** A node that lets a second one in, which knows it under its first address. */
async function pair() {
  const near = new TestHome({ name: "near" });
  const port = freePort();
  const far = await TestNode.start({
    name: "far",
    listen: `127.0.0.1:${port}`,
    policy: (own) => operatorPolicy(own, near.id),
  });
  near.configure({
    name: "near",
    nodes: ` far: { endpoint: "${far.endpoint}", key: "${far.test.id}" } `,
  });
  return { near: await TestNode.start(near), far, port };
}

/** Rewrites the configuration of a running node. */
function configure({ test: home }: TestNode, change: Partial<TestNodeOptions>): void {
  home.configure({ ...home.options, ...change });
}

function isOpen(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  );
}

test("a node listens where its configuration says from now on, and keeps the sessions it has", async () => {
  const { near, far, port } = await pair();
  await using _near = near;
  await using _far = far;
  await using stream = new AsyncDisposableStack();
  expect((await near.call("far", "node.info", {})).error).toBeUndefined();
  const caller = await near.caller();
  const watching = caller.call("far", "fs.watch", { path: "/" });
  stream.defer(() => watching.cancel());
  const seen = watching.chunks[Symbol.asyncIterator]().next();
  const moved = freePort();
  configure(far, { listen: `127.0.0.1:${moved}` });
  await until(() => isOpen(moved));
  expect(await isOpen(port)).toBeFalse();
  await until(() => far.notices.includes(`Listens on 127.0.0.1:${moved} from now on`));
  // Over the session that came in by the old port.
  const written = await near.call("far", "fs.mkdir", { path: "/new" });
  expect(written.error).toBeUndefined();
  expect((await seen).done).toBeFalse();
  const { output } = await far.call("local", "node.info", {});
  expect(output).toMatchObject({ endpoint: `ws://127.0.0.1:${moved}` });
});

test("a node whose new port is taken listens where it did, and goes there when it is free", async () => {
  await using far = await TestNode.start({ name: "far", listen: `127.0.0.1:${freePort()}` });
  const wanted = freePort();
  const other = Bun.listen({ hostname: "127.0.0.1", port: wanted, socket: { data() {} } });
  configure(far, { listen: `127.0.0.1:${wanted}` });
  await until(() => far.notices.some((text) => text.includes("as before")));
  expect(far.notices.join("\n")).toContain(`Cannot listen on 127.0.0.1:${wanted}`);
  expect(await isOpen(far.port)).toBeTrue();
  other.stop(true);
  configure(far, { listen: `127.0.0.1:${wanted}`, daemon: "  allow_origins: []" });
  await until(() => isOpen(wanted));
});

test("a node takes over which web pages may connect, and its own name", async () => {
  const port = freePort();
  await using node = await TestNode.start({ name: "a", listen: `127.0.0.1:${port}` });
  const origin = "https://console.example";
  const knock = () =>
    fetch(`http://127.0.0.1:${port}/`, { headers: { origin } }).then(
      ({ status }) => status,
      () => 0,
    );
  expect(await knock()).toBe(403);
  configure(node, { daemon: `  allow_origins: ["${origin}"]` });
  await until(async () => (await knock()) === 404);
  configure(node, { name: "b" });
  await until(async () => (await node.call("b", "node.info", {})).error === undefined);
});
