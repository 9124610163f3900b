import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { descriptorsBelow, FsBench, workspace } from "./fs_call.fixture.ts";
import { operations } from "./schema.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench(workspace);
  mkdirSync(at("folder"), { recursive: true });
  mkdirSync(join(bench.host, "outside"));
  writeFileSync(join(bench.host, "outside/o"), "outside", { mode: 0o600 });
  writeFileSync(at("a"), "hello");
  symlinkSync("../outside/o", at("link"));
  execFileSync("mkfifo", [at("pipe")]);
});

afterEach(() => {
  expect(descriptorsBelow(bench.host)).toBe(0);
  bench[Symbol.dispose]();
});

const at = (path: string) => join(bench.host, "ws", path);
const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");
const modeOf = (path: string) => statSync(path).mode & 0o7777;

describe("hash", () => {
  test("gives the SHA-256 of a file, and of its beginning", async () => {
    const { output } = await bench.call("hash", { path: "/a" });
    expect(output).toMatchObject({ sha256: sha256("hello"), hashed_bytes: 5, size_bytes: 5 });
    const start = await bench.call("hash", { path: "/a", length_bytes: 2 });
    expect(start.output).toMatchObject({ sha256: sha256("he"), hashed_bytes: 2, size_bytes: 5 });
    const past = await bench.call("hash", { path: "/a", length_bytes: 99 });
    expect(past.output).toMatchObject({ sha256: sha256("hello"), hashed_bytes: 5 });
  });

  test("hashes a file of several turns and an empty one", async () => {
    const large = Buffer.alloc(5_000_001, "xyz");
    writeFileSync(at("large"), large);
    writeFileSync(at("empty"), "");
    expect((await bench.call("hash", { path: "/large" })).output.sha256).toBe(sha256(large));
    expect((await bench.call("hash", { path: "/empty" })).output.sha256).toBe(sha256(""));
  });

  test("stops when its caller leaves", async () => {
    const signal = AbortSignal.abort(new Error("gone"));
    expect(bench.call("hash", { path: "/a" }, { signal })).rejects.toThrow("gone");
  });

  test("needs the right to read the file", () => {
    const accesses = operations.hash.resource(operations.hash.input.parse({ path: "/a" }), {
      node_id: "test",
      mounts: bench.mounts,
    });
    expect(accesses).toContainEqual({ resource: "fs:workspace/a", as: "fs.read" });
  });

  test("refuses folders, links, pipes and what is missing", async () => {
    expect(await bench.failure("hash", { path: "/folder" })).toBe("fs.not_a_file");
    expect(await bench.failure("hash", { path: "/link" })).toBe("fs.symlink");
    expect(await bench.failure("hash", { path: "/pipe" })).toBe("fs.special_file");
    expect(await bench.failure("hash", { path: "/nope" })).toBe("fs.missing");
  });
});

describe("chmod", () => {
  test("sets the bits of a file and of a folder", async () => {
    const { output } = await bench.call("chmod", { path: "/a", mode: "640" });
    expect(output.mode).toBe("0640");
    expect(modeOf(at("a"))).toBe(0o640);
    await bench.call("chmod", { path: "/folder", mode: "0700" });
    expect(modeOf(at("folder"))).toBe(0o700);
  });

  test("gives a new version and respects the expected one", async () => {
    const version = (await bench.call("stat", { path: "/a" })).output.version;
    const input = { path: "/a", mode: "0600", expected_version: version };
    const changed = await bench.call("chmod", input);
    expect(changed.output.version).not.toBe(version);
    expect(await bench.failure("chmod", input)).toBe("fs.version_mismatch");
  });

  test("refuses bits that run a file as its owner, and drops those it had", async () => {
    for (const mode of ["4755", "02755", "1777", "abc", "0o644", ""]) {
      expect(operations.chmod.input.safeParse({ path: "/a", mode }).success).toBe(false);
    }
    chmodSync(at("a"), 0o4755);
    await bench.call("chmod", { path: "/a", mode: "0755" });
    expect(modeOf(at("a"))).toBe(0o755);
  });

  test("attack 14: chmod through a symlink out of a mount is refused", async () => {
    expect(await bench.failure("chmod", { path: "/link", mode: "0777" })).toBe("fs.symlink");
    expect(modeOf(join(bench.host, "outside/o"))).toBe(0o600);
  });

  test("refuses pipes, the root of a mount and read-only mounts", async () => {
    expect(await bench.failure("chmod", { path: "/pipe", mode: "0777" })).toBe("fs.special_file");
    expect(await bench.failure("chmod", { path: "/", mode: "0777" })).toBe("fs.mount_root");
    using locked = new FsBench((host) => [{ ...workspace(host)[0]!, read_only: true }]);
    mkdirSync(join(locked.host, "ws"));
    writeFileSync(join(locked.host, "ws/a"), "a");
    expect(await locked.failure("chmod", { path: "/a", mode: "0777" })).toBe("fs.read_only");
  });
});

describe("touch", () => {
  test("makes an empty file once", async () => {
    expect((await bench.call("touch", { path: "/new" })).output.created).toBe(true);
    expect(readFileSync(at("new"), "utf8")).toBe("");
    writeFileSync(at("new"), "kept");
    expect((await bench.call("touch", { path: "/new" })).output.created).toBe(false);
    expect(readFileSync(at("new"), "utf8")).toBe("kept");
  });

  test("sets a time, on files, folders and new files, before 1970 too", async () => {
    const modified = "2001-02-03T04:05:06.789Z";
    for (const path of ["/a", "/folder", "/fresh"]) {
      await bench.call("touch", { path, modified });
      expect((await bench.call("stat", { path })).output.modified).toBe(modified);
    }
    await bench.call("touch", { path: "/a", modified: "1969-07-20T20:17:40.500Z" });
    expect(statSync(at("a")).mtime.toISOString()).toBe("1969-07-20T20:17:40.500Z");
  });

  test("sets the present time when it is told none", async () => {
    await bench.call("touch", { path: "/a", modified: "2001-02-03T04:05:06Z" });
    await bench.call("touch", { path: "/a" });
    expect(Math.abs(statSync(at("a")).mtimeMs - Date.now())).toBeLessThan(60_000);
  });

  test("makes nothing when told not to", async () => {
    expect(await bench.failure("touch", { path: "/new", create: false })).toBe("fs.missing");
  });

  test("attack 14: touch of a symlink changes neither it nor what it points to", async () => {
    const before = statSync(join(bench.host, "outside/o")).mtimeMs;
    const input = { path: "/link", modified: "2001-02-03T04:05:06Z" };
    expect(await bench.failure("touch", input)).toBe("fs.symlink");
    symlinkSync("../outside/new", at("dangling"));
    expect(await bench.failure("touch", { path: "/dangling" })).toBe("fs.symlink");
    expect(statSync(join(bench.host, "outside/o")).mtimeMs).toBe(before);
  });

  test("refuses pipes, the root of a mount and times that are none", async () => {
    expect(await bench.failure("touch", { path: "/pipe" })).toBe("fs.special_file");
    expect(await bench.failure("touch", { path: "/" })).toBe("fs.mount_root");
    const input = { path: "/a", modified: "yesterday" };
    expect(operations.touch.input.safeParse(input).success).toBe(false);
  });
});
