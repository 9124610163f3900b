import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Access } from "../../contract/operation.ts";
import { isWithin } from "../../policy/glob.ts";
import { descriptorsBelow, FsBench } from "./fs_call.fixture.ts";
import { openFile } from "./open_file.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench((host) => [
    { name: "workspace", at: "/", path: join(host, "ws"), read_only: false },
    { name: "data", at: "/data", path: join(host, "data"), read_only: true },
    { name: "devices", at: "/devices", path: "/dev", read_only: false },
    { name: "deep", at: "/sub/deep", path: join(host, "deep"), read_only: false },
  ]);
  for (const folder of ["ws/src", "ws/secrets", "ws/sub", "data", "deep", "outside", "data_evil"]) {
    mkdirSync(join(bench.host, folder), { recursive: true });
  }
  writeFileSync(join(bench.host, "ws/src/a.ts"), "a");
  writeFileSync(join(bench.host, "ws/secrets/key"), "secret");
  writeFileSync(join(bench.host, "outside/o"), "outside");
  writeFileSync(join(bench.host, "data/d"), "data");
  writeFileSync(join(bench.host, "data_evil/e"), "evil");
});

afterEach(() => bench[Symbol.dispose]());

const outside = (name: string) => join(bench.host, "outside", name);

test("attack 14: a symlink to a file outside is not read", async () => {
  symlinkSync(outside("o"), join(bench.host, "ws/link"));
  expect(await bench.failure("read", { path: "/link" })).toBe("fs.symlink");
  expect(await bench.failure("copy", { path: "/link", to: "/copy" })).toBe("fs.symlink");
  expect(await bench.failure("truncate", { path: "/link", size_bytes: 0 })).toBe("fs.symlink");
  expect(readFileSync(outside("o"), "utf8")).toBe("outside");
});

test("attack 14: a symlink is not written through", async () => {
  symlinkSync(outside("o"), join(bench.host, "ws/link"));
  const write = { path: "/link" };
  expect(await bench.failure("write", write, { content: "x" })).toBe("fs.symlink");
  expect(await bench.failure("copy", { path: "/src/a.ts", to: "/link" })).toBe("fs.symlink");
  expect(readFileSync(outside("o"), "utf8")).toBe("outside");
  expect(readlinkSync(join(bench.host, "ws/link"))).toBe(outside("o"));
});

test("attack 14: a dangling symlink is not written through", async () => {
  symlinkSync(outside("new"), join(bench.host, "ws/dangling"));
  for (const more of [{}, { create_parents: true }]) {
    const input = { path: "/dangling", ...more };
    expect(await bench.failure("write", input, { content: "x" })).toBe("fs.symlink");
  }
  expect(await bench.failure("write", { path: "/dangling", require_absent: true })).toBe(
    "fs.exists",
  );
  expect(await bench.failure("copy", { path: "/src/a.ts", to: "/dangling" })).toBe("fs.symlink");
  expect(await bench.failure("mkdir", { path: "/dangling", parents: true })).toBe("fs.symlink");
  expect(existsSync(outside("new"))).toBe(false);
});

test("attack 14: a folder that is a symlink out of the mount serves no operation", async () => {
  symlinkSync(join(bench.host, "outside"), join(bench.host, "ws/out"));
  const inputs = {
    stat: { path: "/out/o" },
    list: { path: "/out" },
    read: { path: "/out/o" },
    write: { path: "/out/new" },
    mkdir: { path: "/out/new/deep", parents: true },
    rm: { path: "/out/o" },
    rename: { path: "/out/o", to: "/o" },
    copy: { path: "/src/a.ts", to: "/out/a" },
    truncate: { path: "/out/o", size_bytes: 0 },
  } as const;
  for (const [name, input] of Object.entries(inputs)) {
    expect(await bench.failure(name as keyof typeof inputs, input)).toMatch(
      /^fs\.(escape|symlink)$/,
    );
  }
  expect(readdirSync(join(bench.host, "outside"))).toEqual(["o"]);
});

test("attack 15: a folder whose name starts like a mount's is not that mount", async () => {
  expect(await bench.failure("read", { path: "/data_evil/e" })).toBe("fs.missing");
  expect((await bench.call("read", { path: "/data/d" })).text).toBe("data");
  symlinkSync("../data_evil", join(bench.host, "data/x"));
  expect(await bench.failure("read", { path: "/data/x/e" })).toBe("fs.escape");
});

test("attack 17: a path spelled in an odd way reaches nothing", async () => {
  const odd = [
    "/./secrets/key",
    "//secrets/key",
    "/src/../secrets/key",
    "/secrets/./key",
    "secrets/key",
  ];
  odd.push(
    "/secrets/key\0",
    "/secrets/key\n",
    "/..",
    `/${"n".repeat(256)}`,
    "/\ud800",
    "/secrets//key",
  );
  for (const path of odd) {
    expect(await bench.failure("read", { path })).toBe("fs.path_invalid");
    expect(await bench.failure("write", { path }, { content: "x" })).toBe("fs.path_invalid");
    expect(await bench.failure("rename", { path: "/src/a.ts", to: path })).toBe("fs.path_invalid");
  }
  expect(() => bench.mounts.resourceOf("/./secrets/key")).toThrow("component");
});

test("attack 17: names that are not UTF-8 are listed with their bytes and removed with their folder", async () => {
  const name = Buffer.from([0x62, 0xff, 0x0a]);
  writeFileSync(Buffer.concat([Buffer.from(join(bench.host, "ws/src/")), name]), "x");
  const { values } = await bench.call("list", { path: "/src" });
  expect(values.map((entry) => entry.name_bytes)).toEqual([undefined, name.toString("base64")]);
  expect((await bench.call("rm", { path: "/src", recursive: true })).output.removed).toBe(3);
});

test("attack 18: a pipe, a socket and a device are refused at once", async () => {
  await Bun.$`mkfifo ${join(bench.host, "ws/fifo")}`;
  using _server = Bun.listen({ unix: join(bench.host, "ws/socket"), socket: { data() {} } });
  for (const path of ["/fifo", "/socket", "/devices/zero"]) {
    expect(await bench.failure("read", { path })).toBe("fs.special_file");
    expect(await bench.failure("write", { path }, { content: "x" })).toBe("fs.special_file");
    expect(await bench.failure("copy", { path, to: "/copy" })).toBe("fs.special_file");
    expect(await bench.failure("copy", { path: "/src/a.ts", to: path })).toBe("fs.special_file");
    expect(await bench.failure("truncate", { path, size_bytes: 0 })).toBe("fs.special_file");
    expect((await bench.call("stat", { path })).output.type).toBe("special");
  }
});

test("rm and rename act on a link itself", async () => {
  symlinkSync(outside("o"), join(bench.host, "ws/link"));
  await bench.call("rename", { path: "/link", to: "/src/moved" });
  expect(lstatSync(join(bench.host, "ws/src/moved")).isSymbolicLink()).toBe(true);
  await bench.call("rm", { path: "/src/moved" });
  symlinkSync(join(bench.host, "outside"), join(bench.host, "ws/src/folder"));
  await bench.call("rm", { path: "/src/folder", recursive: true });
  symlinkSync(join(bench.host, "outside"), join(bench.host, "ws/src/folder"));
  await bench.call("rm", { path: "/src", recursive: true });
  expect(readFileSync(outside("o"), "utf8")).toBe("outside");
});

test("rm --recursive removes nothing when policy protects one entry", async () => {
  writeFileSync(join(bench.host, "ws/secrets/other"), "x");
  mkdirSync(join(bench.host, "ws/top/secrets"), { recursive: true });
  writeFileSync(join(bench.host, "ws/top/a"), "a");
  writeFileSync(join(bench.host, "ws/top/secrets/key"), "secret");
  const authorize = ({ resource }: Access) => !isWithin(resource, "fs:workspace/top/secrets");
  const input = { path: "/top", recursive: true };
  expect(await bench.failure("rm", input, { authorize })).toBe("fs.entry_denied");
  expect(readdirSync(join(bench.host, "ws/top"), { recursive: true }).length).toBe(3);
});

test("rename of a folder is refused when policy protects an entry, under its old name or its new one", async () => {
  mkdirSync(join(bench.host, "ws/top/secrets"), { recursive: true });
  writeFileSync(join(bench.host, "ws/top/secrets/key"), "secret");
  const denials: ((access: Access) => boolean)[] = [
    ({ resource, as }) => as === "fs.read" && resource === "fs:workspace/top/secrets/key",
    ({ resource, as }) => as === "fs.rm" && resource === "fs:workspace/top/secrets/key",
    ({ resource, as }) => as === "fs.write" && resource === "fs:workspace/new/secrets/key",
    ({ resource, as }) => as === undefined && resource === "fs:workspace/new/secrets",
  ];
  for (const denied of denials) {
    const authorize = (access: Access) => !denied(access);
    const input = { path: "/top", to: "/new" };
    expect(await bench.failure("rename", input, { authorize })).toBe("fs.entry_denied");
  }
  expect(readFileSync(join(bench.host, "ws/top/secrets/key"), "utf8")).toBe("secret");
});

test("mkdir --parents asks policy about every folder it makes", async () => {
  const authorize = ({ resource }: Access) => resource !== "fs:workspace/new";
  const mkdir = { path: "/new/deep", parents: true };
  expect(await bench.failure("mkdir", mkdir, { authorize })).toBe("fs.entry_denied");
  const write = { path: "/new/file", create_parents: true };
  expect(await bench.failure("write", write, { authorize })).toBe("fs.entry_denied");
  expect(existsSync(join(bench.host, "ws/new"))).toBe(false);
});

test("a folder that holds another mount's place is neither removed nor moved", async () => {
  mkdirSync(join(bench.host, "ws/sub/deep"));
  expect(await bench.failure("rm", { path: "/sub", recursive: true })).toBe("fs.mount_boundary");
  expect(await bench.failure("rename", { path: "/sub", to: "/x" })).toBe("fs.mount_boundary");
  expect(await bench.failure("rename", { path: "/src", to: "/sub" })).toBe("fs.mount_boundary");
});

test("the root of a mount is neither removed, moved nor replaced", async () => {
  for (const path of ["/", "/sub/deep"]) {
    expect(await bench.failure("rm", { path, recursive: true })).toMatch(/mount_root/);
    expect(await bench.failure("rename", { path, to: `${path}/x`.replace("//", "/") })).toBe(
      "fs.mount_root",
    );
    expect(await bench.failure("write", { path })).toBe("fs.not_a_file");
    expect(await bench.failure("read", { path })).toBe("fs.not_a_file");
  }
});

test("a read-only mount refuses every change", async () => {
  const changes = {
    write: { path: "/data/new" },
    mkdir: { path: "/data/new" },
    rm: { path: "/data/d" },
    rename: { path: "/data/d", to: "/data/e" },
    copy: { path: "/src/a.ts", to: "/data/a" },
    truncate: { path: "/data/d", size_bytes: 0 },
  } as const;
  for (const [name, input] of Object.entries(changes)) {
    expect(await bench.failure(name as keyof typeof changes, input)).toBe("fs.read_only");
  }
  expect(await bench.failure("write", { path: "/data/x/y", create_parents: true })).toBe(
    "fs.read_only",
  );
  expect(readdirSync(join(bench.host, "data"))).toEqual(["d"]);
});

test("attack 16: 100,000 reads race a folder that is swapped for a symlink without one escape", async () => {
  using _racer = await startRacer();
  const buffer = Buffer.alloc(16);
  const call = { fail: (name: string) => new Error(name) } as never;
  const seen = { inside: 0, refused: 0, escaped: 0 };
  for (let i = 0; i < 100_000; i++) {
    try {
      using parent = bench.mounts.parent("/race/swap/o", i % 2 === 0 ? "look" : "change");
      using file = openFile(parent, call);
      const text = buffer.toString("utf8", 0, readSync(file.fd, buffer, 0, 16, 0));
      seen[text === "inside" ? "inside" : "escaped"]++;
    } catch {
      seen.refused++;
    }
  }
  expect(seen.escaped).toBe(0);
  expect(seen.inside).toBeGreaterThan(1000);
  expect(seen.refused).toBeGreaterThan(1000);
}, 60_000);

test("attack 16: writes and removals race a folder that is swapped for a symlink without one escape", async () => {
  using _racer = await startRacer();
  const seen = new Set<string | undefined>();
  for (let i = 0; i < 1000; i++) {
    seen.add(await bench.failure("write", { path: "/race/swap/new" }, { content: "x" }));
    seen.add(await bench.failure("mkdir", { path: "/race/swap/folder" }));
    seen.add(await bench.failure("copy", { path: "/src/a.ts", to: "/race/swap/copy" }));
    seen.add(await bench.failure("rm", { path: "/race/swap/o" }));
    seen.add(await bench.failure("rm", { path: "/race/swap", recursive: true }));
  }
  expect(readdirSync(join(bench.host, "outside"))).toEqual(["o"]);
  expect(readFileSync(outside("o"), "utf8")).toBe("outside");
  expect(seen.has(undefined)).toBe(true);
  expect(seen.size).toBeGreaterThan(1);
}, 60_000);

/** A process that swaps `ws/race/swap` and a link to `outside` until it is disposed. */
async function startRacer(): Promise<Disposable> {
  const script = join(import.meta.dir, "swap_race.fixture.ts");
  const racer = Bun.spawn([process.execPath, script, join(bench.host, "ws/race")], {
    stdout: "pipe",
  });
  await racer.stdout.getReader().read();
  return { [Symbol.dispose]: () => racer.kill("SIGKILL") };
}

test("no operation leaves a descriptor open", async () => {
  symlinkSync("src", join(bench.host, "ws/link"));
  for (let i = 0; i < 20; i++) {
    await bench.call("write", { path: "/f" }, { content: "x" });
    await bench.failure("write", { path: "/f", expected_version: "x" }, { content: "x" });
    await bench.call("copy", { path: "/f", to: "/g" });
    await bench.call("rename", { path: "/g", to: "/h" });
    await bench.call("list", { path: "/", limit: 1 });
    await bench.call("mkdir", { path: "/m/n", parents: true });
    await bench.call("rm", { path: "/m", recursive: true });
    await bench.failure("read", { path: "/link/a.ts" });
    await bench.failure("read", { path: "/src" });
    await bench.failure("rm", { path: "/sub", recursive: true });
  }
  expect(descriptorsBelow(bench.host)).toBe(0);
});
