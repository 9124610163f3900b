import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { FsBench } from "./fs_call.fixture.ts";
import { operations } from "./schema.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench((host) => [
    { name: "workspace", at: "/", path: join(host, "ws"), read_only: false },
    { name: "data", at: "/data", path: join(host, "data"), read_only: false },
  ]);
  mkdirSync(join(bench.host, "ws/folder/sub"), { recursive: true });
  mkdirSync(join(bench.host, "data"));
  writeFileSync(at("a"), "a");
  writeFileSync(at("b"), "b");
  writeFileSync(at("folder/sub/f"), "f");
});

afterEach(() => bench[Symbol.dispose]());

const at = (path: string) => join(bench.host, "ws", path);
const version = async (path: string) => (await bench.call("stat", { path })).output.version;

describe("mkdir", () => {
  test("makes a folder, and those above it when asked", async () => {
    expect((await bench.call("mkdir", { path: "/new" })).output.created).toBe(true);
    await bench.call("mkdir", { path: "/x/y/z", parents: true });
    expect(statSync(at("x/y/z")).isDirectory()).toBe(true);
    const again = await bench.call("mkdir", { path: "/x/y/z", parents: true });
    expect(again.output.created).toBe(false);
  });

  test("refuses what exists, a missing parent, and a file on the way", async () => {
    expect(await bench.failure("mkdir", { path: "/folder" })).toBe("fs.exists");
    expect(await bench.failure("mkdir", { path: "/a" })).toBe("fs.exists");
    expect(await bench.failure("mkdir", { path: "/" })).toBe("fs.exists");
    expect(await bench.failure("mkdir", { path: "/x/y" })).toBe("fs.missing");
    expect(await bench.failure("mkdir", { path: "/a/x", parents: true })).toBe("fs.not_a_folder");
    expect(await bench.failure("mkdir", { path: "/a", parents: true })).toBe("fs.not_a_folder");
  });
});

describe("rm", () => {
  test("removes a file, an empty folder, and a tree when asked", async () => {
    expect((await bench.call("rm", { path: "/a" })).output.removed).toBe(1);
    mkdirSync(at("empty"));
    await bench.call("rm", { path: "/empty" });
    const tree = await bench.call("rm", { path: "/folder", recursive: true });
    expect(tree.output.removed).toBe(3);
    expect(readdirSync(at(""))).toEqual(["b"]);
  });

  test("removes a file of the expected version only", async () => {
    const old = await version("/a");
    writeFileSync(at("a"), "changed");
    const stale = { path: "/a", expected_version: old };
    expect(await bench.failure("rm", stale)).toBe("fs.version_mismatch");
    await bench.call("rm", { path: "/a", expected_version: await version("/a") });
    expect(existsSync(at("a"))).toBe(false);
  });

  test("refuses a folder that is not empty, and what is missing", async () => {
    expect(await bench.failure("rm", { path: "/folder" })).toBe("fs.not_empty");
    expect(await bench.failure("rm", { path: "/nope" })).toBe("fs.missing");
    expect(await bench.failure("rm", { path: "/nope", recursive: true })).toBe("fs.missing");
  });

  test("removes a folder of many entries and folders", async () => {
    for (let i = 0; i < 1000; i++) writeFileSync(at(`folder/entry-${i}`), "");
    for (let i = 0; i < 100; i++) mkdirSync(at(`folder/sub/${i}/x`), { recursive: true });
    const { output } = await bench.call("rm", { path: "/folder", recursive: true });
    expect(output.removed).toBe(1000 + 200 + 3);
    expect(existsSync(at("folder"))).toBe(false);
  });

  test("refuses folders nested too deeply, and removes none of them", async () => {
    mkdirSync(at(`deep/${"d/".repeat(300)}`), { recursive: true });
    expect(await bench.failure("rm", { path: "/deep", recursive: true })).toBe("fs.too_deep");
    expect(existsSync(at(`deep/${"d/".repeat(300)}`))).toBe(true);
  });

  test("stops when the call is cancelled", async () => {
    for (let i = 0; i < 1000; i++) writeFileSync(at(`folder/entry-${i}`), "");
    const abort = new AbortController();
    const removing = bench.call(
      "rm",
      { path: "/folder", recursive: true },
      { signal: abort.signal },
    );
    abort.abort(new Error("stop"));
    await expect(removing).rejects.toThrow("stop");
    expect(existsSync(at("folder"))).toBe(true);
  });
});

describe("rename", () => {
  test("moves a file and replaces another in one step", async () => {
    await bench.call("rename", { path: "/a", to: "/b" });
    expect(readFileSync(at("b"), "utf8")).toBe("a");
    expect(existsSync(at("a"))).toBe(false);
  });

  test("moves a folder with everything in it", async () => {
    await bench.call("rename", { path: "/folder", to: "/moved" });
    expect(readFileSync(at("moved/sub/f"), "utf8")).toBe("f");
  });

  test("gives the version that stat then gives", async () => {
    const { output } = await bench.call("rename", { path: "/a", to: "/c" });
    expect(await version("/c")).toBe(output.version);
  });

  test("refuses to replace anything when the target must be absent", async () => {
    const input = { path: "/a", to: "/b", require_absent: true };
    expect(await bench.failure("rename", input)).toBe("fs.exists");
    expect(readFileSync(at("b"), "utf8")).toBe("b");
    await bench.call("rename", { ...input, to: "/c" });
    expect(readFileSync(at("c"), "utf8")).toBe("a");
  });

  test("refuses another version of what is moved", async () => {
    const input = { path: "/a", to: "/c", expected_version: "v" };
    expect(await bench.failure("rename", input)).toBe("fs.version_mismatch");
    await bench.call("rename", { ...input, expected_version: await version("/a") });
  });

  test("refuses other mounts, itself as target folder, wrong kinds and what is missing", async () => {
    mkdirSync(at("full"));
    writeFileSync(at("full/x"), "x");
    const cases = {
      "fs.cross_mount": { path: "/a", to: "/data/a" },
      "fs.into_itself": { path: "/folder", to: "/folder/sub/x" },
      "fs.not_a_file": { path: "/a", to: "/folder" },
      "fs.exists": { path: "/folder", to: "/a" },
      "fs.not_empty": { path: "/folder", to: "/full" },
      "fs.missing": { path: "/nope", to: "/c" },
    };
    for (const [code, input] of Object.entries(cases)) {
      expect(await bench.failure("rename", input)).toBe(code);
    }
  });

  test("asks policy for reading and removing the source and writing the target", () => {
    const input = { path: "/a", to: "/b", require_absent: false };
    const context = { node_id: "n", mounts: bench.mounts };
    expect(operations.rename.resource(input, context)).toEqual([
      { resource: "fs:workspace/a" },
      { resource: "fs:workspace/b" },
      { resource: "fs:workspace/a", as: "fs.read" },
      { resource: "fs:workspace/a", as: "fs.rm" },
      { resource: "fs:workspace/b", as: "fs.write" },
    ]);
  });
});

describe("copy", () => {
  test("copies within a mount and across mounts, with the mode", async () => {
    chmodSync(at("a"), 0o750);
    const { output } = await bench.call("copy", { path: "/a", to: "/data/a" });
    expect([output.created, output.size_bytes]).toEqual([true, 1]);
    expect(statSync(join(bench.host, "data/a")).mode & 0o777).toBe(0o750);
    await bench.call("copy", { path: "/a", to: "/b" });
    expect(readFileSync(at("b"), "utf8")).toBe("a");
  });

  test("copies a large file exactly", async () => {
    const content = Buffer.alloc(20 * 1024 * 1024 + 3, "0123456789");
    writeFileSync(at("big"), content);
    await bench.call("copy", { path: "/big", to: "/data/big" });
    expect(readFileSync(join(bench.host, "data/big")).equals(content)).toBe(true);
  });

  test("keeps to the preconditions of its target", async () => {
    const absent = { path: "/a", to: "/b", require_absent: true };
    expect(await bench.failure("copy", absent)).toBe("fs.exists");
    const stale = { path: "/a", to: "/b", expected_version: "v" };
    expect(await bench.failure("copy", stale)).toBe("fs.version_mismatch");
    await bench.call("copy", { ...stale, expected_version: await version("/b") });
  });

  test("refuses a folder, a missing source and a folder as target", async () => {
    expect(await bench.failure("copy", { path: "/folder", to: "/c" })).toBe("fs.not_a_file");
    expect(await bench.failure("copy", { path: "/nope", to: "/c" })).toBe("fs.missing");
    expect(await bench.failure("copy", { path: "/a", to: "/folder" })).toBe("fs.not_a_file");
    expect(await bench.failure("copy", { path: "/a", to: "/data" })).toBe("fs.not_a_file");
  });

  test("asks policy for reading the source and writing the target", () => {
    const context = { node_id: "n", mounts: bench.mounts };
    const input = operations.copy.input.parse({ path: "/a", to: "/data/b" });
    expect(operations.copy.resource(input, context)).toEqual([
      { resource: "fs:data/b" },
      { resource: "fs:workspace/a", as: "fs.read" },
      { resource: "fs:data/b", as: "fs.write" },
    ]);
  });
});

for (const [name, operation] of Object.entries(operations)) {
  for (const example of operation.examples) {
    test(`example of ${name} ${example.name}`, async () => {
      const code = await bench.failure(name as keyof typeof operations, example.input, {
        content: "x",
      });
      expect(code).toBe(example.error && `fs.${example.error}`);
      expect(example.error === undefined || example.error in operation.errors).toBe(true);
    });
  }
}
