import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Access } from "../../contract/operation.ts";
import { descriptorsBelow, FsBench } from "./fs_call.fixture.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench((host) => [
    { name: "workspace", at: "/", path: join(host, "ws"), read_only: false },
    { name: "data", at: "/data", path: join(host, "data"), read_only: false },
  ]);
  mkdirSync(at("src/deep/empty"), { recursive: true });
  mkdirSync(join(bench.host, "data"));
  mkdirSync(join(bench.host, "outside"));
  writeFileSync(join(bench.host, "outside/o"), "outside");
  writeFileSync(at("src/a"), "a");
  writeFileSync(at("src/deep/b"), "bb");
  chmodSync(at("src/a"), 0o751);
  utimesSync(at("src/a"), 1_000_000_000.5, 1_000_000_000.5);
  chmodSync(at("src/deep"), 0o555);
  utimesSync(at("src/deep"), 1_100_000_000, 1_100_000_000);
});

afterEach(() => {
  expect(descriptorsBelow(bench.host)).toBe(0);
  bench[Symbol.dispose]();
});

const at = (path: string) => join(bench.host, "ws", path);
const data = (path: string) => join(bench.host, "data", path);
const input = { path: "/src", to: "/data/copy", recursive: true };
const denying =
  (...resources: string[]) =>
  ({ resource }: Access) =>
    !resources.includes(resource);

/** Names, types, modes, times and contents of everything below a host folder. */
function picture(folder: string): unknown {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const stat = lstatSync(path);
      const mode = (stat.mode & 0o777).toString(8);
      if (stat.isSymbolicLink()) return [name, readlinkSync(path)];
      if (stat.isDirectory()) return [name, mode, stat.mtimeMs, picture(path)];
      return [name, mode, stat.mtimeMs, readFileSync(path, "utf8")];
    });
}

describe("copy --recursive", () => {
  test("copies a folder with modes, times and empty folders, and says what it did", async () => {
    const { output } = await bench.call("copy", input);
    expect(picture(data("copy"))).toEqual(picture(at("src")));
    expect(statSync(data("copy")).mtimeMs).toBe(statSync(at("src")).mtimeMs);
    expect(output).toMatchObject({ via: "node", files: 2, folders: 3, kept: 0, skipped: 0 });
    expect(output).toMatchObject({ size_bytes: 3, copied_bytes: 3, created: true });
    expect(output.version).toBe((await bench.call("stat", { path: "/data/copy" })).output.version);
  });

  test("keeps what is there already, replaces what differs, and merges", async () => {
    await bench.call("copy", input);
    writeFileSync(data("copy/own"), "own");
    writeFileSync(at("src/a"), "changed");
    const { output } = await bench.call("copy", input);
    expect(output).toMatchObject({ files: 1, kept: 1, created: false, copied_bytes: 7 });
    expect(readFileSync(data("copy/a"), "utf8")).toBe("changed");
    expect(readFileSync(data("copy/own"), "utf8")).toBe("own");
  });

  test("copies all of it again when contents are to be compared", async () => {
    await bench.call("copy", input);
    writeFileSync(data("copy/a"), "A");
    utimesSync(data("copy/a"), 1_000_000_000.5, 1_000_000_000.5);
    await bench.call("copy", input);
    expect(readFileSync(data("copy/a"), "utf8")).toBe("A");
    await bench.call("copy", { ...input, checksum: true });
    expect(readFileSync(data("copy/a"), "utf8")).toBe("a");
  });

  test("copies a single file with its time too", async () => {
    await bench.call("copy", { path: "/src/a", to: "/data/a" });
    expect(statSync(data("a")).mtimeMs).toBe(1_000_000_000_500);
    expect(statSync(data("a")).mode & 0o777).toBe(0o751);
  });

  test("keeps links that stay in the tree and leaves out the others", async () => {
    symlinkSync("a", at("src/inside"));
    symlinkSync("../src/a", at("src/round"));
    symlinkSync(join(bench.host, "outside/o"), at("src/absolute"));
    symlinkSync("../../outside/o", at("src/out"));
    symlinkSync("inside/../../../outside", at("src/chain"));
    const { output } = await bench.call("copy", input);
    expect(readlinkSync(data("copy/inside"))).toBe("a");
    expect(output.links).toBe(1);
    expect(output.skipped_entries.map(({ path }: { path: string }) => path).sort()).toEqual([
      "absolute",
      "chain",
      "out",
      "round",
    ]);
    expect(readdirSync(data("copy")).sort()).toEqual(["a", "deep", "inside"]);
    const again = await bench.call("copy", input);
    expect(again.output).toMatchObject({ links: 0, kept: 3, skipped: 4 });
  });

  test("leaves out pipes and names that are no paths, and says so", async () => {
    execFileSync("mkfifo", [at("src/pipe")]);
    writeFileSync(Buffer.from(`${at("src")}/\xff`, "latin1"), "x");
    writeFileSync(at("src/line\nfeed"), "x");
    const { output } = await bench.call("copy", input);
    const reasons = output.skipped_entries.map(({ reason }: { reason: string }) => reason);
    expect(reasons.sort()).toEqual(["name", "name", "special"]);
    expect(output).toMatchObject({ files: 2, skipped: 3 });
  });

  test("never copies what an upload left unfinished", async () => {
    writeFileSync(at(`src/.operon-${"0".repeat(32)}.part`), "half");
    await bench.call("copy", input);
    expect(readdirSync(data("copy")).sort()).toEqual(["a", "deep"]);
  });

  test("fails at an entry policy denies, at either end, or leaves it out when asked", async () => {
    for (const denied of ["fs:workspace/src/deep/b", "fs:data/copy/deep/b"]) {
      const authorize = denying(denied);
      expect(await bench.failure("copy", input, { authorize })).toBe("fs.entry_denied");
      const skipping = { ...input, skip_denied: true };
      const { output } = await bench.call("copy", skipping, { authorize });
      expect(output.skipped_entries).toEqual([{ path: "deep/b", reason: "denied" }]);
      expect(existsSync(data("copy/deep/b"))).toBe(false);
    }
  });

  test("makes nothing below a folder that policy denies at the target", async () => {
    const authorize = denying("fs:data/copy/deep");
    const { output } = await bench.call("copy", { ...input, skip_denied: true }, { authorize });
    expect(output.skipped).toBe(1);
    expect(readdirSync(data("copy"))).toEqual(["a"]);
  });

  test("asks for reading each file, listing each folder and writing each entry", async () => {
    const asked = new Set<string>();
    const authorize = ({ resource, as }: Access) => !!asked.add(`${as} ${resource}`);
    await bench.call("copy", input, { authorize });
    for (const access of [
      "fs.list fs:workspace/src/deep",
      "fs.read fs:workspace/src/deep/b",
      "fs.copy fs:workspace/src/deep/b",
      "fs.mkdir fs:data/copy/deep",
      "fs.write fs:data/copy/deep/b",
    ]) {
      expect(asked).toContain(access);
    }
  });

  test("refuses a folder without the word, a copy into itself, and preconditions that fail", async () => {
    expect(await bench.failure("copy", { ...input, recursive: false })).toBe("fs.not_a_file");
    expect(await bench.failure("copy", { ...input, to: "/src/deep/x" })).toBe("fs.into_itself");
    expect(await bench.failure("copy", { ...input, to: "/src/" })).toBe("fs.into_itself");
    expect(await bench.failure("copy", { ...input, path: "/", to: "/x" })).toBe("fs.into_itself");
    mkdirSync(data("copy"));
    expect(await bench.failure("copy", { ...input, require_absent: true })).toBe("fs.exists");
    const expected_version = "0-0-0-0";
    expect(await bench.failure("copy", { ...input, expected_version })).toBe("fs.version_mismatch");
    writeFileSync(data("file"), "x");
    expect(await bench.failure("copy", { ...input, to: "/data/file" })).toBe("fs.exists");
  });

  test("stops when its caller leaves", async () => {
    const signal = AbortSignal.abort(new Error("gone"));
    expect(bench.call("copy", input, { signal })).rejects.toThrow("gone");
  });

  test("attack 14: a link in the target's place is neither followed nor written through", async () => {
    symlinkSync("../outside", data("copy"));
    expect(await bench.failure("copy", input)).toBe("fs.exists");
    mkdirSync(data("other"));
    symlinkSync("../../outside/o", data("other/a"));
    symlinkSync("../../outside", data("other/deep"));
    const failure = await bench.failure("copy", { ...input, to: "/data/other" });
    expect(["fs.symlink", "fs.exists"]).toContain(failure!);
    expect(readFileSync(join(bench.host, "outside/o"), "utf8")).toBe("outside");
    expect(readdirSync(join(bench.host, "outside"))).toEqual(["o"]);
  });
});
