import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperonError } from "../../error.ts";
import type { Mount } from "../../policy/mount.ts";
import { createMountTable } from "../../policy/mount_table.ts";
import { HostMounts } from "./host_mounts.ts";

let host: string;

beforeEach(() => {
  host = mkdtempSync(join(tmpdir(), "operon-mounts-"));
  mkdirSync(join(host, "ws/src/deep"), { recursive: true });
  mkdirSync(join(host, "ws/secrets"));
  mkdirSync(join(host, "outside"));
  writeFileSync(join(host, "ws/src/a.ts"), "a");
  writeFileSync(join(host, "ws/secrets/key"), "key");
  writeFileSync(join(host, "outside/o"), "outside");
});

afterEach(() => rmSync(host, { recursive: true, force: true }));

function mount(name: string, at: string, folder: string, read_only = false): Mount {
  return { name, at, path: join(host, folder), read_only };
}

function caught(run: () => unknown): OperonError {
  try {
    run();
  } catch (error) {
    if (error instanceof OperonError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown");
}

const code = (run: () => unknown) => caught(run).code;

for (const walk of [false, true]) {
  const open = (...mounts: Mount[]) => new HostMounts(createMountTable(mounts), { walk });
  const plain = () => open(mount("workspace", "/", "ws"));

  describe(`HostMounts ${walk ? "by walking" : "by openat2"}`, () => {
    test("parent() pins the folder and names the last component", () => {
      using parent = plain().parent("/src/a.ts", "look");
      expect([parent.name, parent.virtual_path]).toEqual(["a.ts", "/src/a.ts"]);
      expect(readFileSync(parent.path, "utf8")).toBe("a");
      renameSync(join(host, "ws/src"), join(host, "ws/moved"));
      expect(readFileSync(parent.path, "utf8")).toBe("a");
    });

    test("parent() of a mount's root has no name", () => {
      using parent = plain().parent("/", "change");
      expect(parent.name).toBe("");
      expect(lstatSync(`${parent.path}/.`).isDirectory()).toBe(true);
    });

    test("parent() accepts a name that does not exist", () => {
      using parent = plain().parent("/src/new.ts", "change");
      expect(parent.name).toBe("new.ts");
    });

    test("folder() gives the host path it really is", () => {
      using folder = plain().folder("/src/deep");
      expect(folder.host_path).toEndWith("/ws/src/deep");
      expect(folder.virtual_path).toBe("/src/deep");
    });

    test("parent() refuses a missing folder on the way", () => {
      expect(code(() => plain().parent("/nope/a", "look"))).toBe("fs.missing");
    });

    test("parent() refuses a file on the way", () => {
      expect(code(() => plain().parent("/src/a.ts/x", "look"))).toBe("fs.not_a_folder");
    });

    test("folder() refuses a file", () => {
      expect(code(() => plain().folder("/src/a.ts"))).toBe("fs.not_a_folder");
    });

    test("parent() refuses a change below a read-only mount", () => {
      const mounts = open(mount("workspace", "/", "ws", true));
      expect(code(() => mounts.parent("/src/a.ts", "change"))).toBe("fs.read_only");
      mounts.parent("/src/a.ts", "look")[Symbol.dispose]();
    });

    test("parent() says when the mount's folder is missing on the host", () => {
      const mounts = open(mount("workspace", "/", "gone"));
      expect(code(() => mounts.parent("/a", "look"))).toBe("fs.mount_missing");
    });

    test("parent() sees a mount's folder that appeared after it was configured", () => {
      const mounts = open(mount("workspace", "/", "later"));
      mkdirSync(join(host, "later/sub"), { recursive: true });
      mounts.parent("/sub/x", "change")[Symbol.dispose]();
    });

    test("parent() refuses a path that no mount covers", () => {
      const mounts = open(mount("data", "/data", "ws"));
      expect(code(() => mounts.parent("/other/x", "look"))).toBe("fs.mount_unknown");
    });

    test("errors of paths do not name host folders", () => {
      const error = caught(() => plain().parent("/nope/a", "look"));
      expect(JSON.stringify(error)).not.toContain(host);
    });

    test("attack 14: a folder that is a symlink out of the mount is refused", () => {
      symlinkSync(join(host, "outside"), join(host, "ws/link"));
      symlinkSync("../outside", join(host, "ws/relative"));
      symlinkSync("/", join(host, "ws/root"));
      for (const path of ["/link/o", "/relative/o", "/root/etc"]) {
        expect(code(() => plain().parent(path, "look"))).toBe("fs.escape");
        expect(code(() => plain().parent(path, "change"))).toBe("fs.escape");
      }
      for (const path of ["/link", "/relative", "/root/etc"]) {
        expect(code(() => plain().folder(path))).toBe("fs.escape");
      }
    });

    test("a symlink inside the mount is refused too, and the error names the real path", () => {
      symlinkSync("secrets", join(host, "ws/innocent"));
      const error = caught(() => plain().parent("/innocent/key", "look"));
      expect(error.code).toBe("fs.symlink");
      expect(error.hint).toContain('"/secrets/key"');
    });

    test("attack 14: a dangling symlink and a loop of symlinks are refused", () => {
      symlinkSync(join(host, "outside/new"), join(host, "ws/dangling"));
      symlinkSync("loop", join(host, "ws/loop"));
      expect(code(() => plain().parent("/dangling/x", "change"))).toBe("fs.symlink");
      expect(code(() => plain().parent("/loop/x", "look"))).toBe("fs.symlink");
    });

    test("magic links of /proc are refused", () => {
      const mounts = open({ name: "proc", at: "/", path: "/proc", read_only: true });
      for (const path of ["/self/root/etc", `/${process.pid}/root/etc`, `/${process.pid}/cwd/x`]) {
        expect(code(() => mounts.folder(path))).toMatch(/^fs\.(escape|symlink)$/);
      }
    });

    test("attack 15: a sibling with the mount's path as prefix is not in the mount", () => {
      mkdirSync(join(host, "ws_evil"));
      writeFileSync(join(host, "ws_evil/x"), "evil");
      const mounts = open(mount("workspace", "/", "ws"), mount("data", "/data", "outside"));
      symlinkSync("../ws_evil", join(host, "ws/out"));
      expect(code(() => mounts.parent("/out/x", "look"))).toBe("fs.escape");
      expect(code(() => mounts.parent("/../ws_evil/x", "look"))).toBe("fs.path_invalid");
      expect(mounts.resourceOf("/data_evil/x")).toBe("fs:workspace/data_evil/x");
      expect(code(() => mounts.parent("/data_evil/o", "look"))).toBe("fs.missing");
    });

    test("attack 17: odd spellings of a path are refused", () => {
      const odd = ["/./secrets/key", "//secrets/key", "/src/../secrets/key", "secrets/key", ""];
      odd.push("/secrets//key", "/secrets/./key", "/a\0b", "/a\nb", "/..", "/\u0085", "/\ud800");
      odd.push(`/${"n".repeat(256)}`, `/${"d/".repeat(3000)}x`);
      for (const path of odd) {
        expect(code(() => plain().parent(path, "look"))).toBe("fs.path_invalid");
        expect(code(() => plain().folder(path))).toBe("fs.path_invalid");
        expect(code(() => plain().resourceOf(path))).toBe("fs.path_invalid");
      }
    });
  });

  describe(`mounts inside mounts ${walk ? "by walking" : "by openat2"}`, () => {
    const nested = () => {
      mkdirSync(join(host, "ws/a/inner/sub"), { recursive: true });
      writeFileSync(join(host, "ws/a/inner/f"), "f");
      return open(mount("workspace", "/", "ws"), mount("inner", "/elsewhere", "ws/a/inner"));
    };

    test("the outer mount does not reach the inner one", () => {
      const mounts = nested();
      for (const path of ["/a/inner/f", "/a/inner/sub/x", "/a/inner"]) {
        expect(code(() => mounts.parent(path, "look"))).toBe("fs.mount_boundary");
        expect(code(() => mounts.parent(path, "change"))).toBe("fs.mount_boundary");
      }
      expect(code(() => mounts.folder("/a/inner"))).toBe("fs.mount_boundary");
      mounts.folder("/elsewhere")[Symbol.dispose]();
      mounts.parent("/elsewhere/f", "change")[Symbol.dispose]();
    });

    test("a folder that holds the inner mount can be looked at but not moved", () => {
      const mounts = nested();
      expect(code(() => mounts.parent("/a", "change"))).toBe("fs.mount_boundary");
      mounts.parent("/a", "look")[Symbol.dispose]();
      mounts.parent("/a/file", "change")[Symbol.dispose]();
    });

    test("an inner mount that was replaced on the host is still not reached through the outer", () => {
      const mounts = nested();
      renameSync(join(host, "ws/a/inner"), join(host, "outside/old"));
      mkdirSync(join(host, "ws/a/inner"));
      expect(code(() => mounts.parent("/a/inner/f", "look"))).toBe("fs.mount_boundary");
    });

    test("an inner mount whose folder appears later is not reached through the outer", () => {
      const mounts = open(mount("workspace", "/", "ws"), mount("late", "/late", "ws/late"));
      mkdirSync(join(host, "ws/late"));
      expect(mounts.resourceOf("/late/x")).toBe("fs:late/x");
      const other = open(mount("workspace", "/", "ws"), mount("late", "/b", "ws/late2"));
      mkdirSync(join(host, "ws/late2"));
      expect(code(() => other.parent("/late2/x", "change"))).toBe("fs.mount_boundary");
    });
  });
}

test("no descriptor is left open, whatever is refused", () => {
  symlinkSync("secrets", join(host, "ws/link"));
  const mounts = new HostMounts(
    createMountTable([mount("workspace", "/", "ws"), mount("inner", "/inner", "ws/src/deep")]),
  );
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 50; i++) {
    for (const path of [
      "/src/a.ts",
      "/link/key",
      "/nope/x",
      "/src/a.ts/x",
      "/src/deep/x",
      "/src",
    ]) {
      for (const intent of ["look", "change"] as const) {
        try {
          using _parent = mounts.parent(path, intent);
          using _folder = mounts.folder(path);
        } catch (error) {
          expect(error).toBeInstanceOf(OperonError);
        }
      }
    }
  }
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("descriptors are not inherited by children", async () => {
  using parent = new HostMounts(createMountTable([mount("workspace", "/", "ws")])).parent(
    "/x",
    "look",
  );
  const child = Bun.spawn(["ls", "-l", "/proc/self/fd"], { stdout: "pipe" });
  expect(await new Response(child.stdout).text()).not.toContain(host);
  expect(parent.fd).toBeGreaterThan(2);
});

test("a hard link inside the mount is an ordinary file", () => {
  linkSync(join(host, "ws/src/a.ts"), join(host, "ws/hard"));
  using parent = new HostMounts(createMountTable([mount("workspace", "/", "ws")])).parent(
    "/hard",
    "look",
  );
  expect(readFileSync(parent.path, "utf8")).toBe("a");
});
