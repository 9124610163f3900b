import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FsBench, workspace } from "./fs_call.fixture.ts";

let bench: FsBench;
const at = (path: string) => join(bench.host, "ws", path);
const append = (path: string, content: string | AsyncIterable<Uint8Array>) =>
  bench.call("write", { path, append: true }, { content });

beforeEach(() => {
  bench = new FsBench(workspace);
  mkdirSync(join(bench.host, "ws"));
});

afterEach(() => bench[Symbol.dispose]());

test("append adds to what is there, and makes what is not", async () => {
  expect((await append("/a", "one\n")).output).toMatchObject({ created: true, size_bytes: 4 });
  expect((await append("/a", "two\n")).output).toMatchObject({ created: false, size_bytes: 8 });
  expect(readFileSync(at("a"), "utf8")).toBe("one\ntwo\n");
});

test("append keeps every byte of a file larger than what is read at once", async () => {
  const before = crypto.getRandomValues(new Uint8Array(60_000)).toHex().repeat(60);
  writeFileSync(at("a"), before);
  await append("/a", "end");
  expect(readFileSync(at("a"), "latin1") === `${before}end`).toBeTrue();
});

test("append fails, and changes nothing, when the file changes meanwhile", async () => {
  writeFileSync(at("a"), "old");
  async function* content() {
    writeFileSync(at("a"), "other");
    yield new TextEncoder().encode("more");
  }
  await expect(append("/a", content())).rejects.toMatchObject({ code: "fs.version_mismatch" });
  expect(readFileSync(at("a"), "utf8")).toBe("other");
});

test("append makes no file where one has appeared meanwhile", async () => {
  async function* content() {
    writeFileSync(at("a"), "other");
    yield new TextEncoder().encode("more");
  }
  await expect(append("/a", content())).rejects.toMatchObject({ code: "fs.exists" });
});

test("attack 19: an append that breaks off leaves the old file whole and nothing beside it", async () => {
  writeFileSync(at("a"), "old");
  async function* content() {
    yield new TextEncoder().encode("more");
    throw new Error("cut");
  }
  await append("/a", content()).catch(() => {});
  expect(readFileSync(at("a"), "utf8")).toBe("old");
  expect(readdirSync(at(""))).toEqual(["a"]);
});

test("attack 14: append reads no file through a link", async () => {
  writeFileSync(join(bench.host, "secret"), "secret");
  symlinkSync(join(bench.host, "secret"), at("link"));
  await expect(append("/link", "x")).rejects.toMatchObject({ kind: "failed_precondition" });
  expect(readFileSync(join(bench.host, "secret"), "utf8")).toBe("secret");
});
