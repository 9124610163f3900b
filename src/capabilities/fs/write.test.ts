import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Call } from "../../contract/capability.ts";
import { OperonError } from "../../error.ts";
import { descriptorsBelow, FsBench, workspace } from "./fs_call.fixture.ts";
import { native } from "./native.ts";
import { StagedFile } from "./staged_file.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench(workspace);
  mkdirSync(join(bench.host, "ws"));
});

afterEach(() => bench[Symbol.dispose]());

const at = (path: string) => join(bench.host, "ws", path);
const names = () => readdirSync(at("")).sort();

describe("write", () => {
  test("creates a file and says so", async () => {
    const { output } = await bench.call("write", { path: "/a" }, { content: "hello" });
    expect([output.size_bytes, output.created]).toEqual([5, true]);
    expect(readFileSync(at("a"), "utf8")).toBe("hello");
    expect(statSync(at("a")).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  test("gives the version that stat and list give", async () => {
    const { output } = await bench.call("write", { path: "/a" }, { content: "hello" });
    expect((await bench.call("stat", { path: "/a" })).output.version).toBe(output.version);
    expect((await bench.call("list", { path: "/" })).values[0].version).toBe(output.version);
    expect((await bench.call("read", { path: "/a" })).output.version).toBe(output.version);
  });

  test("gives another version at every write, also of the same content at once", async () => {
    const versions = new Set<string>();
    for (let i = 0; i < 200; i++) {
      versions.add((await bench.call("write", { path: "/a" }, { content: "same" })).output.version);
    }
    expect(versions.size).toBe(200);
  });

  test("keeps the mode of the file it replaces, without set-user-id", async () => {
    writeFileSync(at("a"), "old");
    chmodSync(at("a"), 0o4751);
    await bench.call("write", { path: "/a" }, { content: "new" });
    expect(statSync(at("a")).mode & 0o7777).toBe(0o751);
  });

  test("sets the mode it is given, and refuses set-user-id", async () => {
    await bench.call("write", { path: "/a", mode: "0750" }, { content: "x" });
    expect(statSync(at("a")).mode & 0o7777).toBe(0o750);
    await expect(bench.call("write", { path: "/b", mode: "4755" })).rejects.toThrow();
  });

  test("makes missing folders only when asked", async () => {
    expect(await bench.failure("write", { path: "/x/y/z" })).toBe("fs.missing");
    await bench.call("write", { path: "/x/y/z", create_parents: true }, { content: "deep" });
    expect(readFileSync(at("x/y/z"), "utf8")).toBe("deep");
  });

  test("waits for the disk when it should be durable", async () => {
    await bench.call("write", { path: "/a", durable: true }, { content: "x" });
    expect(readFileSync(at("a"), "utf8")).toBe("x");
  });

  test("leaves other hard links of the old file alone", async () => {
    writeFileSync(at("a"), "old");
    linkSync(at("a"), at("b"));
    await bench.call("write", { path: "/a" }, { content: "new" });
    expect(readFileSync(at("b"), "utf8")).toBe("old");
  });

  test("refuses a folder, and a name that is too long", async () => {
    mkdirSync(at("d"));
    expect(await bench.failure("write", { path: "/d" })).toBe("fs.not_a_file");
    expect(await bench.failure("write", { path: `/${"é".repeat(128)}` })).toBe("fs.path_invalid");
  });

  test("refuses both preconditions at once", async () => {
    const input = { path: "/a", require_absent: true, expected_version: "v" };
    await expect(bench.call("write", input)).rejects.toThrow("absent");
  });

  test("refuses a precondition that fails before it takes any content", async () => {
    let pulled = false;
    async function* content() {
      pulled = true;
      yield Buffer.from("x");
    }
    const input = { path: "/a", expected_version: "v" };
    expect(await bench.failure("write", input, { content: content() })).toBe("fs.version_mismatch");
    expect(pulled).toBe(false);
  });

  test("attack 16: a folder that is moved away during the upload does not get the file", async () => {
    mkdirSync(at("folder"));
    async function* content() {
      yield Buffer.from("x");
      renameSync(at("folder"), join(bench.host, "elsewhere"));
      symlinkSync(join(bench.host, "elsewhere"), at("folder"));
    }
    const input = { path: "/folder/a" };
    expect(await bench.failure("write", input, { content: content() })).toBe("fs.escape");
    expect(readdirSync(join(bench.host, "elsewhere"))).toEqual([]);
  });

  test("a folder that is replaced during the upload does not get the file", async () => {
    mkdirSync(at("folder"));
    async function* content() {
      yield Buffer.from("x");
      renameSync(at("folder"), at("old"));
      mkdirSync(at("folder"));
    }
    const input = { path: "/folder/a" };
    expect(await bench.failure("write", input, { content: content() })).toBe("fs.moved");
    expect([readdirSync(at("old")), readdirSync(at("folder"))]).toEqual([[], []]);
  });
});

describe("attack 19: an interrupted upload", () => {
  test("leaves the old file whole and nothing else when the caller is lost", async () => {
    writeFileSync(at("a"), "old");
    async function* content() {
      yield Buffer.from("half");
      expect(names()).toEqual(["a"]);
      expect(readFileSync(at("a"), "utf8")).toBe("old");
      throw new OperonError({ code: "wire.closed", kind: "unavailable", message: "Gone" });
    }
    expect(await bench.failure("write", { path: "/a" }, { content: content() })).toBe(
      "wire.closed",
    );
    expect(readFileSync(at("a"), "utf8")).toBe("old");
    expect(names()).toEqual(["a"]);
    expect(descriptorsBelow(bench.host)).toBe(0);
  });

  test("changes nothing when the call is cancelled after its last byte", async () => {
    writeFileSync(at("a"), "old");
    const abort = new AbortController();
    async function* content() {
      yield Buffer.from("all of it");
      abort.abort(new OperonError({ code: "node.cancelled", kind: "cancelled", message: "No" }));
    }
    const parts = { content: content(), signal: abort.signal };
    expect(await bench.failure("write", { path: "/a" }, parts)).toBe("node.cancelled");
    expect(readFileSync(at("a"), "utf8")).toBe("old");
    expect(names()).toEqual(["a"]);
  });

  test("leaves nothing behind when the process is killed in the middle", async () => {
    writeFileSync(at("a"), "old");
    const script = join(import.meta.dir, "upload.fixture.ts");
    const child = Bun.spawn([process.execPath, script, at(""), "hang"], { stdout: "pipe" });
    await child.stdout.getReader().read();
    child.kill("SIGKILL");
    await child.exited;
    expect(readFileSync(at("a"), "utf8")).toBe("old");
    expect(names()).toEqual(["a"]);
  });

  test("leaves nothing behind on a disk without unnamed files either", async () => {
    using parent = bench.mounts.parent("/a", "change");
    {
      using staged = new StagedFile(parent, failing(), { named: true });
      staged.write(Buffer.from("half"));
      expect(names()[0]).toMatch(/^\.operon-[0-9a-f]{32}\.tmp$/);
      expect(statSync(at(names()[0]!)).mode & 0o777).toBe(0o600);
    }
    expect(names()).toEqual([]);
  });
});

test("a staged file with a temporary name replaces and creates as one without", async () => {
  using parent = bench.mounts.parent("/a", "change");
  for (const [content, options] of [
    ["one", { require_absent: true }],
    ["two", {}],
  ] as const) {
    using staged = new StagedFile(parent, failing(), { named: true });
    staged.write(Buffer.from(content));
    await staged.commit(options, failing());
    expect(readFileSync(at("a"), "utf8")).toBe(content);
  }
  using staged = new StagedFile(parent, failing(), { named: true });
  await expect(staged.commit({ require_absent: true }, failing())).rejects.toThrow("exists");
  expect(existsSync(at("a"))).toBe(true);
});

describe("attack 20: of two guarded writers with one expected version", () => {
  test("exactly one wins in one process", async () => {
    let { version } = (await bench.call("write", { path: "/a" }, { content: "0" })).output;
    for (let round = 0; round < 50; round++) {
      const input = { path: "/a", expected_version: version };
      const results = await Promise.allSettled(
        ["x", "y", "z"].map((content) => bench.call("write", input, { content })),
      );
      const won = results.filter((result) => result.status === "fulfilled");
      expect(won.length).toBe(1);
      version = won[0]!.value.output.version;
    }
  });

  test("exactly one creates the file in one process", async () => {
    const input = { path: "/a", require_absent: true };
    const codes = await Promise.all(
      ["x", "y", "z"].map((content) => bench.failure("write", input, { content })),
    );
    expect(codes.sort()).toEqual(["fs.exists", "fs.exists", undefined]);
  });

  test("exactly one wins among processes", async () => {
    await bench.call("write", { path: "/a" }, { content: "start" });
    const script = join(import.meta.dir, "upload.fixture.ts");
    const children = ["1", "2", "3"].map((id) =>
      Bun.spawn([process.execPath, script, at(""), "count", id], { stdout: "pipe" }),
    );
    const won: number[] = [];
    for (const child of children) won.push(Number(await new Response(child.stdout).text()));
    // Every win appends one line to what the winner had read: a lost update would lose a line.
    const lines = readFileSync(at("a"), "utf8").split("\n").length - 1;
    expect(won.every((wins) => wins === 60)).toBe(true);
    expect(lines).toBe(180);
  });
});

test("a writer waits while another process holds the folder's lock, and gives up when it is cancelled", async () => {
  const holder = openSync(at(""), "r");
  expect(native().tryLock(holder)).toBe(true);
  const abort = new AbortController();
  const parts = { content: "x", signal: abort.signal };
  const cancelled = bench.call("write", { path: "/a" }, parts);
  const waiting = bench.call("write", { path: "/b" }, { content: "x" });
  abort.abort(new Error("stop"));
  await expect(cancelled).rejects.toThrow("stop");
  expect(names()).toEqual([]);
  closeSync(holder);
  await waiting;
  expect(names()).toEqual(["b"]);
});

test("attack 20: whatever may be guarded by a version waits while another process holds the folder's lock", async () => {
  for (const name of ["cut", "mode", "gone", "moved"])
    writeFileSync(at(name), "old", { mode: 0o644 });
  const state = () => [
    names(),
    readFileSync(at("cut"), "utf8"),
    (statSync(at("mode")).mode & 0o777).toString(8),
  ];
  const before = state();
  const holder = openSync(at(""), "r");
  expect(native().tryLock(holder)).toBe(true);
  const waiting = [
    bench.call("truncate", { path: "/cut", size_bytes: 1 }),
    bench.call("chmod", { path: "/mode", mode: "600" }),
    bench.call("rm", { path: "/gone" }),
    bench.call("rename", { path: "/moved", to: "/there" }),
  ];
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(state()).toEqual(before);
  closeSync(holder);
  await Promise.all(waiting);
  expect(state()).toEqual([["cut", "mode", "there"], "o", "600"]);
});

test("attack 20: a file that changed while its removal waited for the lock stays", async () => {
  const { version } = (await bench.call("write", { path: "/a" }, { content: "old" })).output;
  const holder = openSync(at(""), "r");
  expect(native().tryLock(holder)).toBe(true);
  const removing = bench.failure("rm", { path: "/a", expected_version: version });
  await new Promise((resolve) => setTimeout(resolve, 20));
  writeFileSync(at("a"), "changed");
  closeSync(holder);
  expect(await removing).toBe("fs.version_mismatch");
  expect(readFileSync(at("a"), "utf8")).toBe("changed");
});

describe("truncate", () => {
  test("cuts and extends in place", async () => {
    writeFileSync(at("a"), "hello");
    const { output } = await bench.call("truncate", { path: "/a", size_bytes: 2 });
    expect(readFileSync(at("a"), "utf8")).toBe("he");
    expect((await bench.call("stat", { path: "/a" })).output.version).toBe(output.version);
    await bench.call("truncate", { path: "/a", size_bytes: 4, expected_version: output.version });
    expect(readFileSync(at("a"), "utf8")).toBe("he\0\0");
  });

  test("refuses another version, a folder, and what is missing", async () => {
    writeFileSync(at("a"), "hello");
    const stale = { path: "/a", size_bytes: 0, expected_version: "v" };
    expect(await bench.failure("truncate", stale)).toBe("fs.version_mismatch");
    expect(await bench.failure("truncate", { path: "/", size_bytes: 0 })).toBe("fs.mount_root");
    expect(await bench.failure("truncate", { path: "/no", size_bytes: 0 })).toBe("fs.missing");
    const huge = { path: "/a", size_bytes: 2 ** 50 };
    expect(await bench.failure("truncate", huge)).toMatch(/^fs\.(too_large|no_space)$/);
    expect(readFileSync(at("a"), "utf8")).toBe("hello");
  });
});

function failing() {
  return {
    signal: new AbortController().signal,
    services: { mounts: bench.mounts } as unknown as Pick<Call["services"], "mounts">,
    fail: (name: string) =>
      new OperonError({ code: `fs.${name}`, kind: "internal", message: name }),
  };
}
