import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Access } from "../../contract/operation.ts";
import { descriptorsBelow, FsBench, workspace } from "./fs_call.fixture.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench((host) => [
    { name: "workspace", at: "/", path: join(host, "ws"), read_only: false },
    { name: "data", at: "/data", path: join(host, "data"), read_only: true },
    { name: "gone", at: "/gone", path: join(host, "gone"), read_only: false },
    { name: "proc", at: "/proc", path: "/proc", read_only: true },
  ]);
  mkdirSync(join(bench.host, "ws"));
  mkdirSync(join(bench.host, "data"));
  writeFileSync(join(bench.host, "ws/a"), "hello world");
});

afterEach(() => bench[Symbol.dispose]());

const at = (path: string) => join(bench.host, "ws", path);

describe("read", () => {
  test("streams a file, a range of it, and nothing past its end", async () => {
    expect((await bench.call("read", { path: "/a" })).text).toBe("hello world");
    const range = { path: "/a", offset_bytes: 6, length_bytes: 3 };
    expect((await bench.call("read", range)).text).toBe("wor");
    expect((await bench.call("read", { path: "/a", offset_bytes: 6 })).text).toBe("world");
    expect((await bench.call("read", { path: "/a", offset_bytes: 2 ** 50 })).text).toBe("");
    const past = await bench.call("read", { path: "/a", offset_bytes: 11, length_bytes: 5 });
    expect([past.text, past.output.size_bytes]).toEqual(["", 11]);
    expect((await bench.call("read", { path: "/a", length_bytes: 0 })).text).toBe("");
  });

  test("gives large chunks", async () => {
    const content = Buffer.alloc(3 * 1024 * 1024 + 7);
    for (let i = 0; i < content.length; i += 4)
      content.writeUInt32LE(i, Math.min(i, content.length - 4));
    writeFileSync(at("big"), content);
    const result = await bench.chunks({ path: "/big" });
    expect(result.length).toBe(13);
    expect(Buffer.concat(result).equals(content)).toBe(true);
  });

  test("reads files the kernel makes up", async () => {
    expect((await bench.call("read", { path: "/proc/version" })).text).toContain("Linux");
  });

  test("ends where the file ended when it was opened", async () => {
    writeFileSync(at("log"), Buffer.alloc(600 * 1024));
    let seen = 0;
    for await (const chunk of bench.stream({ path: "/log" })) {
      seen += chunk.length;
      writeFileSync(at("log"), Buffer.alloc(100 * 1024), { flag: "a" });
    }
    expect(seen).toBe(600 * 1024);
  });

  test("ends early, and closes, when the file is cut while it is read", async () => {
    writeFileSync(at("log"), Buffer.alloc(1024 * 1024));
    let seen = 0;
    for await (const chunk of bench.stream({ path: "/log" })) {
      seen += chunk.length;
      truncateSync(at("log"), 100);
    }
    expect(seen).toBe(256 * 1024);
    expect(descriptorsBelow(bench.host)).toBe(0);
  });

  test("closes the file when its reader goes away", async () => {
    writeFileSync(at("big"), Buffer.alloc(1024 * 1024));
    for await (const _chunk of bench.stream({ path: "/big" })) break;
    expect(descriptorsBelow(bench.host)).toBe(0);
  });

  test("stops when the call is cancelled", async () => {
    writeFileSync(at("big"), Buffer.alloc(1024 * 1024));
    const abort = new AbortController();
    const parts = { signal: abort.signal };
    const reading = (async () => {
      for await (const _chunk of bench.stream({ path: "/big" }, parts))
        abort.abort(new Error("stop"));
    })();
    await expect(reading).rejects.toThrow("stop");
  });

  test("refuses a folder, a missing file and a negative offset", async () => {
    expect(await bench.failure("read", { path: "/" })).toBe("fs.not_a_file");
    expect(await bench.failure("read", { path: "/data" })).toBe("fs.not_a_file");
    expect(await bench.failure("read", { path: "/nope" })).toBe("fs.missing");
    expect(await bench.failure("read", { path: "/gone/x" })).toBe("fs.mount_missing");
    await expect(bench.call("read", { path: "/a", offset_bytes: -1 })).rejects.toThrow();
  });
});

describe("list", () => {
  test("sorts a small folder and describes every kind of entry", async () => {
    mkdirSync(at("folder"));
    symlinkSync("a", at("link"));
    const { values, output } = await bench.call("list", { path: "/" });
    const kinds = values.map(({ name, type }) => `${name} ${type}`);
    expect(kinds).toEqual([
      "a file",
      "data folder",
      "folder folder",
      "link symlink",
      "proc folder",
    ]);
    expect(output).toEqual({ entries: 5, truncated: false, skipped: 0 });
    expect(values[0].size_bytes).toBe(11);
    expect(Date.parse(values[0].modified)).toBeGreaterThan(0);
  });

  test("shows a mount in place of what the disk has under its name", async () => {
    writeFileSync(at("data"), "hidden by the mount");
    const { values } = await bench.call("list", { path: "/" });
    expect(values.filter(({ name }) => name === "data").map(({ type }) => type)).toEqual([
      "folder",
    ]);
  });

  test("streams 100,000 entries, each once, and stays small", async () => {
    // In memory where there is such a disk: making that many files on a real one takes seconds.
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    using bench = new FsBench(workspace, { base });
    const many = join(bench.host, "ws/many");
    mkdirSync(many, { recursive: true });
    for (let i = 0; i < 100_000; i++) closeSync(openSync(`${many}/entry-${i}`, "w"));
    const seen = new Set<string>();
    // What is alive, not what the process holds: that depends on the tests before this one.
    const aliveBytes = () => {
      Bun.gc(true);
      return process.memoryUsage().heapUsed;
    };
    const before = aliveBytes();
    let high = 0;
    for await (const { name } of bench.entries({ path: "/many" })) {
      seen.add(name);
      if (seen.size % 20_000 === 0) high = Math.max(high, aliveBytes());
    }
    expect(seen.size).toBe(100_000);
    expect(high - before).toBeLessThan(32 * 1024 * 1024);
  }, 30_000);

  test("stops at its limit and says that there is more", async () => {
    const limited = await bench.call("list", { path: "/", limit: 1 });
    expect([limited.values.length, limited.output.truncated]).toEqual([1, true]);
    const exact = await bench.call("list", { path: "/", limit: 3 });
    expect(exact.output).toEqual({ entries: 3, truncated: false, skipped: 0 });
  });

  test("enters folders when asked, but none that policy denies and no link", async () => {
    mkdirSync(at("top/secrets"), { recursive: true });
    mkdirSync(at("top/open/deep"), { recursive: true });
    writeFileSync(at("top/secrets/key"), "");
    writeFileSync(at("top/open/deep/f"), "");
    symlinkSync("open", at("top/link"));
    const authorize = ({ resource }: Access) => !resource.endsWith("/secrets");
    const input = { path: "/top", recursive: true };
    const { values, output } = await bench.call("list", input, { authorize });
    const names = ["link", "open", "open/deep", "open/deep/f", "secrets"];
    expect(values.map(({ name }) => name)).toEqual(names);
    expect(output).toEqual({ entries: 5, truncated: false, skipped: 1 });
    expect(descriptorsBelow(bench.host)).toBe(0);
  });

  test("reports names with control characters as they are", async () => {
    writeFileSync(at("\u001b[31mred\n"), "");
    const { values } = await bench.call("list", { path: "/" });
    expect(values.some(({ name }) => name === "\u001b[31mred\n")).toBe(true);
  });

  test("refuses a file, a link and a missing folder", async () => {
    symlinkSync(".", at("self"));
    expect(await bench.failure("list", { path: "/a" })).toBe("fs.not_a_folder");
    expect(await bench.failure("list", { path: "/self" })).toBe("fs.symlink");
    expect(await bench.failure("list", { path: "/nope" })).toBe("fs.missing");
  });
});

describe("stat", () => {
  test("describes a file, a folder, a mount and a link", async () => {
    symlinkSync("/nowhere", at("link"));
    const types = [];
    for (const path of ["/a", "/", "/data", "/link"]) {
      types.push((await bench.call("stat", { path })).output.type);
    }
    expect(types).toEqual(["file", "folder", "folder", "symlink"]);
  });

  test("gives another version after a change of content, of mode and of time", async () => {
    const version = async () => (await bench.call("stat", { path: "/a" })).output.version;
    const versions = [await version()];
    for (const change of ["echo x >> a", "chmod 600 a", "touch -d 2001-01-01 a"]) {
      await Bun.$`sh -c ${change}`.cwd(at("")).quiet();
      versions.push(await version());
    }
    expect(new Set(versions).size).toBe(4);
  });

  test("refuses a path through a file, and a missing one", async () => {
    expect(await bench.failure("stat", { path: "/a/b" })).toBe("fs.not_a_folder");
    expect(await bench.failure("stat", { path: "/nope" })).toBe("fs.missing");
  });
});
