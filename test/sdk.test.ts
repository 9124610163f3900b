import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Operon, OperonError, type Peer } from "../src/sdk.ts";
import { TestNode } from "./harness/mesh.ts";

let a: TestNode;
let operon: Operon;
let peer: Peer;

beforeAll(async () => {
  a = await TestNode.start({ name: "a" });
  operon = await connect({ home: a.test.home.path });
  peer = operon.node("local");
});
afterAll(async () => {
  await operon[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
});

test("unary operations are typed promises", async () => {
  const info = await peer.node.info({});
  expect(info.node_id).toBe("a");
  // @ts-expect-error the output has no such field
  expect(info.nodeId).toBeUndefined();
});

test("the compiler refuses an unknown operation and a wrong input", async () => {
  const calls = () => {
    // @ts-expect-error no such operation
    peer.fs.explode({});
    // @ts-expect-error `path` is a text
    void peer.fs.stat({ path: 1 });
  };
  expect(calls).toBeFunction();
});

test("a caller's stream may be a text, bytes, an iterable or a web stream", async () => {
  const sources = [
    "text",
    new TextEncoder().encode("bytes"),
    ["it", "er"].map((part) => new TextEncoder().encode(part)),
    new Blob(["stream"]).stream(),
  ];
  const sizes = [];
  for (const send of sources)
    sizes.push((await peer.fs.write({ path: "/sent" }, { send })).size_bytes);
  expect(sizes).toEqual([4, 5, 4, 6]);
});

test("a node's bytes are an async iterable and a web stream", async () => {
  await peer.fs.write({ path: "/x" }, { send: "hello" });
  const chunks = [];
  const reading = peer.fs.read({ path: "/x" });
  for await (const chunk of reading) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe("hello");
  expect((await reading.output).size_bytes).toBe(5);
  expect(
    await new Response(
      peer.fs.read({ path: "/x" }).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
    ).text(),
  ).toBe("hello");
});

test("channels are named", async () => {
  const run = peer.exec.run({ argv: ["sh", "-c", "echo out; echo err >&2; exit 3"] });
  const text = { stdout: "", stderr: "" };
  for await (const { channel, bytes } of run) text[channel] += Buffer.from(bytes).toString();
  expect(text).toEqual({ stdout: "out\n", stderr: "err\n" });
  expect((await run.output).exit_code).toBe(3);
});

test("values are items", async () => {
  const names = [];
  for await (const entry of peer.fs.list({ path: "/" })) names.push(entry.name);
  expect(names).toContain("x");
});

test("errors are typed and carry their code", async () => {
  const failure = await peer.fs.stat({ path: "/nope" }).catch((error) => error);
  expect(failure).toBeInstanceOf(OperonError);
  expect(failure.code).toBe("fs.missing");
});

test("an AbortSignal cancels a call", async () => {
  const controller = new AbortController();
  const run = peer.exec.run({ argv: ["sleep", "60"] }, { signal: controller.signal });
  controller.abort();
  expect(run.output).rejects.toMatchObject({ kind: "cancelled" });
});

test("awaiting the output gives unread chunks up, and says so to whoever reads later", async () => {
  const reading = peer.fs.read({ path: "/x" });
  await reading.output;
  await new Promise((resolve) => setImmediate(resolve));
  const late = async () => {
    for await (const _chunk of reading);
  };
  expect(late()).rejects.toMatchObject({ code: "node.chunks_discarded" });
});
