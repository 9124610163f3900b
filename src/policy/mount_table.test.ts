import { describe, expect, test } from "bun:test";
import type { OperonError } from "../error.ts";
import { createMountTable } from "./mount_table.ts";
import { parseVirtualPath } from "./virtual_path.ts";

const table = createMountTable([
  { name: "workspace", at: "/", path: "/home/me/work", read_only: false },
  { name: "data", at: "/data", path: "/srv/data", read_only: true },
  { name: "deep", at: "/data/in/deep", path: "/srv/deep", read_only: false },
]);

describe("resourceOf()", () => {
  test.each([
    ["/", "fs:workspace/"],
    ["/src/a.ts", "fs:workspace/src/a.ts"],
    ["/data", "fs:data/"],
    ["/data/", "fs:data/"],
    ["/data/x", "fs:data/x"],
    ["/data/in", "fs:data/in"],
    ["/data/in/deep", "fs:deep/"],
    ["/data/in/deep/x y", "fs:deep/x y"],
    ["/a/", "fs:workspace/a"],
    ["/...", "fs:workspace/..."],
    ["/.hidden", "fs:workspace/.hidden"],
    ["/näme/😀", "fs:workspace/näme/😀"],
  ])("maps %s to %s", (path, resource) => {
    expect(table.resourceOf(path)).toBe(resource);
  });

  test.each([["/data_evil/x"], ["/datax"], ["/data.bak"]])(
    "attack 15: the prefix sibling %s belongs to the outer mount",
    (path) => {
      expect(table.resourceOf(path)).toBe(`fs:workspace${path}`);
    },
  );

  test("attack 15: a prefix sibling of the only mount belongs to none", () => {
    const only = createMountTable([
      { name: "data", at: "/data", path: "/srv/data", read_only: false },
    ]);
    expect(codeOf(() => only.resourceOf("/data_evil/x"))).toBe("fs.mount_unknown");
    expect(codeOf(() => only.resourceOf("/"))).toBe("fs.mount_unknown");
    expect(only.resourceOf("/data/x")).toBe("fs:data/x");
  });

  test.each([
    ["a dot", "/./secrets/key"],
    ["a dot at the end", "/secrets/."],
    ["two slashes", "//secrets/key"],
    ["two slashes at the end", "/secrets//"],
    ["two slashes inside", "/secrets//key"],
    ["only slashes", "//"],
    ["dot dot", "/a/../secrets/key"],
    ["dot dot at the start", "/../etc/passwd"],
    ["dot dot at the end", "/a/.."],
    ["NUL", "/secrets/key\0.txt"],
    ["a newline", "/secrets/\nkey"],
    ["an escape", "/\u001b[2J"],
    ["DEL", "/a\x7f"],
    ["a C1 control", "/a\u009b"],
    ["a lone surrogate", "/a\ud800"],
    ["a lone low surrogate", "/\udc00b"],
    ["no slash first", "secrets/key"],
    ["nothing", ""],
    ["a node's name", "local:/x"],
    ["a very long path", `/${"a/".repeat(2100)}a`],
    ["a very long name", `/${"n".repeat(256)}`],
    ["a very long name in bytes", `/${"é".repeat(128)}`],
  ])("attack 17: a path with %s is refused", (_what, path) => {
    expect(codeOf(() => table.resourceOf(path))).toBe("fs.path_invalid");
    expect(codeOf(() => table.locate(path))).toBe("fs.path_invalid");
  });

  test("attack 17: the refusal shows the path without control characters and cut", () => {
    const message = messageOf(() => table.resourceOf(`/\u001b[31m${"x".repeat(5000)}`));
    expect(message).not.toContain("\u001b");
    expect(message.length).toBeLessThan(300);
  });

  test("accepts the longest name and path", () => {
    expect(table.resourceOf(`/${"n".repeat(255)}`)).toContain("n");
    expect(parseVirtualPath(`/${"a/".repeat(2047)}a`).length).toBe(4096 - 1 + 1);
  });
});

describe("locate()", () => {
  test("tells the mount and the path inside it", () => {
    const { mount, inner } = table.locate("/data/a/b");
    expect(mount.path).toBe("/srv/data");
    expect(inner).toBe("a/b");
    expect(table.locate("/data/in/deep").inner).toBe("");
  });
});

describe("createMountTable()", () => {
  const mount = { name: "a", at: "/", path: "/a", read_only: false };
  test.each([
    ["two mounts with one name", [mount, { ...mount, at: "/b" }]],
    ["two mounts at one path", [mount, { ...mount, name: "b" }]],
    [
      "one path spelt with and without a slash",
      [
        { ...mount, at: "/x" },
        { ...mount, name: "b", at: "/x/" },
      ],
    ],
    ["an `at` with dot dot", [{ ...mount, at: "/a/../b" }]],
    ["an `at` that is relative", [{ ...mount, at: "data" }]],
    ["a relative host path", [{ ...mount, path: "srv" }]],
    ["a host path with a tilde left", [{ ...mount, path: "~/x" }]],
  ])("refuses %s", (_what, mounts) => {
    expect(codeOf(() => createMountTable(mounts))).toBe("policy.mount_invalid");
  });

  test("covers nothing without mounts", () => {
    expect(codeOf(() => createMountTable([]).resourceOf("/"))).toBe("fs.mount_unknown");
  });
});

function codeOf(run: () => unknown): string {
  return (thrownBy(run) as OperonError | undefined)?.code ?? "none";
}

function messageOf(run: () => unknown): string {
  return (thrownBy(run) as OperonError | undefined)?.message ?? "";
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}
