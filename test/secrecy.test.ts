// What somebody on the network, or a reader of logs and traces, must not see.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { operatorPolicy, TestHome, TestNode, textStream } from "./harness/mesh.ts";

/** Records everything that passes between a client and a port. */
async function wiretap(port: number) {
  const seen: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (data) => {
        seen.push(Buffer.from(data));
        to.write(data);
      });
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    bytes: () => Buffer.concat(seen),
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}

test("a capture between two nodes shows no content, command, path or identity in clear", async () => {
  using b = new TestHome({ name: "b" });
  await using a = await TestNode.start({ name: "a", policy: (own) => operatorPolicy(own, b.id) });
  using tap = await wiretap(a.port);
  b.configure({
    name: "b",
    nodes: ` a: { endpoint: "ws://127.0.0.1:${tap.port}", key: "${a.test.id}" } `,
  });
  const running = await TestNode.start(b);
  const marker = "MARKER-7f3a-in-content";
  await running.call(
    "a",
    "fs.write",
    { path: "/marker-path-91c2.txt" },
    { outgoing: textStream(marker.repeat(1000)) },
  );
  expect((await running.call("a", "fs.read", { path: "/marker-path-91c2.txt" })).text).toContain(
    marker,
  );
  expect(
    (await running.call("a", "exec.run", { argv: ["echo", "marker-argv-55d0"] })).text,
  ).toContain("marker-argv-55d0");
  await running.stop();
  const capture = tap.bytes();
  expect(capture.byteLength).toBeGreaterThan(20_000);
  for (const clear of [
    marker,
    "marker-path",
    "marker-argv",
    "fs.write",
    "exec.run",
    a.test.id,
    b.id,
  ]) {
    expect(capture.includes(clear)).toBeFalse();
  }
  for (const key of [a.test.key, b.key]) {
    expect(capture.includes(key.publicKey.bytes)).toBeFalse();
    expect(capture.includes(key.exportSeed())).toBeFalse();
  }
});

test("no secret reaches audit, traces, known nodes, notices or error texts", async () => {
  await using a = await TestNode.start({ name: "a" });
  await using b = await TestNode.start({ name: "b" });
  const { code } = (await a.call("local", "node.invite", { roles: ["operator"] })).output as {
    code: string;
  };
  const failed = await b.call("local", "node.join", { code: `${code.slice(0, -4)}AAAA` });
  await b.call("local", "node.join", { code });
  await b.call("a", "fs.write", { path: "/x" }, { outgoing: textStream("file-content-3e9b") });
  await b.call("a", "exec.run", { argv: ["cat", "x"] });
  const [, , secret] = Buffer.from(code.slice("operon1-".length), "base64url")
    .toString()
    .split(" ");
  const secrets = [
    secret as string,
    code,
    "file-content-3e9b",
    ...[a, b].flatMap(({ test: { key } }) => [
      Buffer.from(key.exportSeed()).toString("base64url"),
      Buffer.from(key.exportSeed()).toString("hex"),
    ]),
  ];
  const told = [JSON.stringify(failed.error), ...a.notices, ...b.notices].join("\n");
  const files = [a, b]
    .flatMap((node) => filesBelow(node.test.home.path))
    .filter((path) => !path.endsWith("/key") && !path.endsWith(".sock"));
  expect(files.length).toBeGreaterThan(4);
  for (const clear of secrets) {
    expect(told).not.toContain(clear);
    for (const file of files)
      expect(`${file}: ${readFileSync(file, "utf8").includes(clear)}`).toBe(`${file}: false`);
  }
});
