import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Access } from "../../contract/operation.ts";
import { descriptorsBelow, FsBench } from "./fs_call.fixture.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench((host) => [
    { name: "workspace", at: "/", path: join(host, "ws"), read_only: false },
    { name: "data", at: "/data", path: join(host, "data"), read_only: false },
  ]);
  mkdirSync(at("src/deep"), { recursive: true });
  mkdirSync(at("secrets"));
  mkdirSync(join(bench.host, "data"));
  mkdirSync(join(bench.host, "outside"));
  writeFileSync(join(bench.host, "outside/o.ts"), "outside TODO");
  writeFileSync(join(bench.host, "data/d.ts"), "data TODO");
  writeFileSync(at("src/a.ts"), "one\nTODO: two\nthree\nfour\r\n");
  writeFileSync(at("src/deep/b.ts"), "// todo\n");
  writeFileSync(at("src/c.md"), "x".repeat(5000));
  writeFileSync(at("secrets/key.ts"), "TODO key");
  symlinkSync("../outside", at("link"));
  symlinkSync("../outside/o.ts", at("src/o.ts"));
  execFileSync("mkfifo", [at("src/pipe.ts")]);
});

afterEach(() => {
  expect(descriptorsBelow(bench.host)).toBe(0);
  bench[Symbol.dispose]();
});

const at = (path: string) => join(bench.host, "ws", path);
const denying =
  (as: string, ...resources: string[]) =>
  (access: Access) =>
    access.as !== as || !resources.includes(access.resource);
const paths = async (input: object, authorize?: (access: Access) => boolean) => {
  const found = await bench.call("find", { path: "/", ...input }, authorize ? { authorize } : {});
  return found.values.map(({ path }) => path).sort();
};

describe("find", () => {
  test("finds with the costliest glob without holding up other calls", async () => {
    const folder = join(bench.host, "ws", ...Array.from({ length: 7 }, () => "ab".repeat(100)));
    mkdirSync(folder, { recursive: true });
    for (let index = 0; index < 150; index++) writeFileSync(join(folder, `f${index}`), "");
    let turns = 0;
    let isOver = false;
    const other = () => {
      turns++;
      if (!isOver) setImmediate(other);
    };
    setImmediate(other);
    expect((await paths({ name: `${"**?".repeat(80)}/f*` })).length).toBe(150);
    isOver = true;
    expect(turns).toBeGreaterThan(5);
  });

  test("finds by name, at any depth, in mounts below, and never through a link", async () => {
    expect(await paths({ name: "*.ts" })).toEqual([
      "/data/d.ts",
      "/secrets/key.ts",
      "/src/a.ts",
      "/src/deep/b.ts",
      "/src/o.ts",
      "/src/pipe.ts",
    ]);
    expect(await paths({ name: "src/*.ts", type: "file" })).toEqual(["/src/a.ts"]);
    expect(await paths({ path: "/src", name: "deep/**", type: "file" })).toEqual([
      "/src/deep/b.ts",
    ]);
  });

  test("finds by type and size", async () => {
    expect(await paths({ type: "symlink" })).toEqual(["/link", "/src/o.ts"]);
    expect(await paths({ type: "special" })).toEqual(["/src/pipe.ts"]);
    expect(await paths({ type: "folder" })).toEqual(["/data", "/secrets", "/src", "/src/deep"]);
    expect(await paths({ size_min_bytes: 5000 })).toEqual(["/src/c.md"]);
    expect(await paths({ size_max_bytes: 8 })).toEqual(["/secrets/key.ts", "/src/deep/b.ts"]);
  });

  test("finds by time", async () => {
    utimesSync(at("src/a.ts"), 1_000_000_000, 1_000_000_000);
    const old = { type: "file", modified_before: "2002-01-01T00:00:00Z" };
    expect(await paths(old)).toEqual(["/src/a.ts"]);
    expect(await paths({ ...old, modified_after: "2001-09-09T01:46:40Z" })).toEqual(["/src/a.ts"]);
    expect(await paths({ ...old, modified_after: "2001-09-09T01:46:41Z" })).toEqual([]);
    expect(await paths({ name: "*.ts", modified_within_secs: 600 })).not.toContain("/src/a.ts");
  });

  test("stops at a depth and at a limit, and says so", async () => {
    expect(await paths({ depth_max: 1 })).toEqual(["/data", "/link", "/secrets", "/src"]);
    const { output, values } = await bench.call("find", { path: "/", limit: 2 });
    expect([values.length, output]).toEqual([2, { found: 2, truncated: true, skipped: 0 }]);
  });

  test("enters no folder whose listing policy denies", async () => {
    const authorize = denying("fs.list", "fs:workspace/secrets");
    const found = await bench.call("find", { path: "/", name: "*.ts" }, { authorize });
    expect(found.values.map(({ path }) => path)).not.toContain("/secrets/key.ts");
    expect(found.output.skipped).toBe(1);
  });

  test("refuses globs that are none, files and missing folders", async () => {
    expect(await bench.failure("find", { path: "/", name: "a\nb" })).toBe("fs.pattern_invalid");
    expect(await bench.failure("find", { path: "/src/a.ts" })).toBe("fs.not_a_folder");
    expect(await bench.failure("find", { path: "/link" })).toBe("fs.escape");
  });
});

const grep = (input: object, authorize?: (access: Access) => boolean) =>
  bench.call("grep", { path: "/", ...input }, authorize ? { authorize } : {});
const lines = async (input: object) =>
  (await grep(input)).values.map(({ path, line, text }) => `${path}:${line}:${text}`).sort();

describe("grep", () => {
  test("finds lines in all files below a folder, and never through a link", async () => {
    expect(await lines({ pattern: "TODO" })).toEqual([
      "/data/d.ts:1:data TODO",
      "/secrets/key.ts:1:TODO key",
      "/src/a.ts:2:TODO: two",
    ]);
    expect(await lines({ pattern: "todo", ignore_case: true, name: "deep/*" })).toEqual([]);
    expect(
      await lines({ path: "/src", pattern: "TODO", ignore_case: true, name: "deep/*" }),
    ).toEqual(["/src/deep/b.ts:1:// todo"]);
  });

  test("searches a single file, with anchors at both ends of lines", async () => {
    expect(await lines({ path: "/src/a.ts", pattern: "^four$" })).toEqual(["/src/a.ts:4:four"]);
    expect(await lines({ path: "/src/a.ts", pattern: "t.o|one$" })).toEqual([
      "/src/a.ts:1:one",
      "/src/a.ts:2:TODO: two",
    ]);
  });

  test("shows lines around a match once", async () => {
    writeFileSync(at("n"), "1\n2\nx\n4\nx\n6\n7\n");
    const { values } = await grep({ path: "/n", pattern: "x", before: 1, after: 1 });
    expect(values.map(({ line, kind }) => `${line}${kind[0]}`)).toEqual([
      "2c",
      "3m",
      "4c",
      "5m",
      "6c",
    ]);
  });

  test("stops at its limit and after the first match of each file when asked", async () => {
    writeFileSync(at("n"), "x\n".repeat(10));
    const limited = await grep({ path: "/n", pattern: "x", limit: 3 });
    expect(limited.output).toMatchObject({ matches: 3, truncated: true });
    const first = await grep({ path: "/n", pattern: "x", files_only: true });
    expect(first.output).toMatchObject({ matches: 1, files: 1, truncated: false });
  });

  test("leaves out binary files unless asked, and cuts long lines", async () => {
    writeFileSync(at("bin"), Buffer.from("needle\0"));
    writeFileSync(at("long"), `needle${"y".repeat(300_000)}\nneedle\n`);
    const { values, output } = await grep({ pattern: "needle" });
    expect(output.binary).toBe(1);
    expect(values.map(({ line, cut }) => [line, cut])).toEqual([
      [1, true],
      [2, false],
    ]);
    expect(values[0].text.length).toBe(2000);
    expect((await grep({ path: "/bin", pattern: "needle", binary: true })).values.length).toBe(1);
  });

  test("reads lines and characters whole across its buffers, and the last one without an end", async () => {
    const filler = `${"é".repeat(1000)}\n`.repeat(200);
    writeFileSync(at("big"), `${filler}last é`);
    const { values, output } = await grep({ path: "/big", pattern: "^(é{100})+$", limit: 1000 });
    expect([values.length, output.matches]).toEqual([200, 200]);
    expect(await lines({ path: "/big", pattern: "last .$" })).toEqual(["/big:201:last é"]);
  });

  test("reads no file and enters no folder that policy denies", async () => {
    const authorize = denying("fs.read", "fs:workspace/secrets/key.ts");
    const { values, output } = await grep({ pattern: "TODO" }, authorize);
    expect(values.map(({ path }) => path)).not.toContain("/secrets/key.ts");
    expect(output.skipped).toBe(1);
    const listing = denying("fs.list", "fs:workspace/secrets");
    const other = await grep({ pattern: "TODO" }, listing);
    expect(other.values.map(({ path }) => path)).not.toContain("/secrets/key.ts");
  });

  test("refuses links, pipes and what is missing when they are what is asked for", async () => {
    const failure = (path: string) => bench.failure("grep", { path, pattern: "x" });
    expect(await failure("/src/o.ts")).toBe("fs.symlink");
    expect(await failure("/src/pipe.ts")).toBe("fs.special_file");
    expect(await failure("/nope")).toBe("fs.missing");
  });

  test("says what is wrong with an expression", async () => {
    const call = bench.call("grep", { path: "/", pattern: "(?=a)" });
    const error = await call.catch((thrown) => thrown);
    expect([error.code, error.data.why]).toEqual([
      "fs.pattern_invalid",
      expect.stringContaining("look-around"),
    ]);
  });

  test("stops when its caller leaves, also within one large file", async () => {
    writeFileSync(at("huge"), "a".repeat(99).concat("\n").repeat(200_000));
    const signal = AbortSignal.timeout(1);
    const call = bench.call("grep", { path: "/huge", pattern: "(a|aa)*b" }, { signal });
    expect(call).rejects.toThrow();
  });
});
