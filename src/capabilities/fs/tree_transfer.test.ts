import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Access } from "../../contract/operation.ts";
import { OperonError } from "../../error.ts";
import { descriptorsBelow, FsBench, workspace } from "./fs_call.fixture.ts";
import { PARTIAL_BYTES_MIN, type TreeEvent } from "./tree_event.ts";
import { encodeTree, TreeDecoder } from "./tree_frame.ts";

let a: FsBench;
let b: FsBench;

beforeEach(() => {
  a = new FsBench(workspace);
  b = new FsBench(workspace);
  mkdirSync(join(a.host, "ws/src/deep"), { recursive: true });
  mkdirSync(join(b.host, "ws"));
  mkdirSync(join(b.host, "outside"));
  writeFileSync(at(a, "src/a"), "a", { mode: 0o640 });
  writeFileSync(at(a, "src/deep/b"), "bb");
  symlinkSync("a", at(a, "src/link"));
  utimesSync(at(a, "src/a"), 1_000_000_000.25, 1_000_000_000.25);
});

afterEach(() => {
  for (const bench of [a, b]) {
    expect(descriptorsBelow(bench.host)).toBe(0);
    bench[Symbol.dispose]();
  }
});

const at = (bench: FsBench, path: string) => join(bench.host, "ws", path);
const failing = {
  fail: (name: string, data?: Readonly<Record<string, unknown>>) =>
    new OperonError({
      code: `fs.${name}`,
      kind: "invalid_argument",
      message: name,
      ...(data ? { data } : {}),
    }),
};

/** Copies from one node to the other as a relay does; `cut` ends the stream after so many bytes. */
async function transfer(
  input: { path: string; to: string; checksum?: boolean; recursive?: boolean },
  options: { cut?: number; authorize?: (access: Access) => boolean } = {},
) {
  const { path, to, checksum = false, recursive = true } = input;
  const survey = await b.call("survey_tree", { path: to, checksum });
  const sent = await a.call("send_tree", { path, recursive }, { content: survey.bytes });
  const content = options.cut === undefined ? sent.bytes : broken(sent.bytes, options.cut);
  const parts = options.authorize ? { content, authorize: options.authorize } : { content };
  return { sent: sent.bytes.length, ...(await b.call("receive_tree", { path: to }, parts)) };
}

async function* broken(bytes: Buffer, cut: number) {
  for (let from = 0; from < cut; from += 65_536)
    yield bytes.subarray(from, Math.min(cut, from + 65_536));
  throw new Error("cut");
}

describe("a copy between nodes", () => {
  test("makes the same tree, with modes, times and links", async () => {
    const { output } = await transfer({ path: "/src", to: "/copy" });
    expect(output).toMatchObject({ files: 2, folders: 2, links: 1, skipped: 0, created: true });
    expect(readFileSync(at(b, "copy/deep/b"), "utf8")).toBe("bb");
    expect(readFileSync(at(b, "copy/link"), "utf8")).toBe("a");
    for (const name of ["a", "deep", "deep/b", ""]) {
      const [from, to] = [
        statSync(at(a, `src/${name}`), { bigint: true }),
        statSync(at(b, `copy/${name}`), { bigint: true }),
      ];
      expect([to.mode, to.mtimeNs]).toEqual([from.mode, from.mtimeNs]);
    }
  });

  test("sends nothing of what is there, by size and time or by content", async () => {
    await transfer({ path: "/src", to: "/copy" });
    const again = await transfer({ path: "/src", to: "/copy" });
    expect(again.output).toMatchObject({ files: 0, kept: 3, copied_bytes: 0, size_bytes: 3 });
    utimesSync(at(b, "copy/a"), 1, 1);
    const checked = await transfer({ path: "/src", to: "/copy", checksum: true });
    expect(checked.output).toMatchObject({ files: 0, kept: 3 });
    expect(statSync(at(b, "copy/a")).mtimeMs).toBe(1_000_000_000_250);
    writeFileSync(at(b, "copy/a"), "A");
    utimesSync(at(b, "copy/a"), 1_000_000_000.25, 1_000_000_000.25);
    await transfer({ path: "/src", to: "/copy", checksum: true });
    expect(readFileSync(at(b, "copy/a"), "utf8")).toBe("a");
  });

  test("copies a single file to another name, an empty one too", async () => {
    await transfer({ path: "/src/a", to: "/other", recursive: false });
    expect(readFileSync(at(b, "other"), "utf8")).toBe("a");
    writeFileSync(at(a, "empty"), "");
    const { output } = await transfer({ path: "/empty", to: "/empty" });
    expect(output).toMatchObject({ files: 1, size_bytes: 0, created: true });
    expect((await transfer({ path: "/empty", to: "/empty" })).output).toMatchObject({ kept: 1 });
  });

  for (const [what, path, to] of [
    ["in a folder", "/src", "/copy"],
    ["by itself, under another name", "/src/large", "/other"],
  ] as const) {
    test(`goes on in the middle of a large file ${what} after a cut`, async () => {
      const content = randomBytes(PARTIAL_BYTES_MIN + 1_000_000);
      writeFileSync(at(a, "src/large"), content);
      const cut = transfer({ path, to }, { cut: 3_000_000 });
      expect(cut).rejects.toThrow("cut");
      await cut.catch(() => {});
      const { sent, output } = await transfer({ path, to });
      expect(sent).toBeLessThan(content.length - 2_500_000);
      expect(output.size_bytes).toBeGreaterThanOrEqual(content.length);
      const made = to === "/other" ? "other" : "copy/large";
      expect(readFileSync(at(b, made)).equals(content)).toBe(true);
      const left = readdirSync(at(b, to === "/other" ? "" : "copy"));
      expect(left.filter((name) => name.endsWith(".part"))).toEqual([]);
    });
  }

  test("starts a large file anew when its source changed, and refuses a partial one that was changed", async () => {
    writeFileSync(at(a, "src/large"), randomBytes(PARTIAL_BYTES_MIN + 10));
    await transfer({ path: "/src/large", to: "/l" }, { cut: 2_000_000 }).catch(() => {});
    const [partial] = readdirSync(at(b, "")).filter((name) => name.endsWith(".part"));
    const bytes = readFileSync(at(b, partial!));
    bytes[17] = bytes[17]! ^ 1;
    writeFileSync(at(b, partial!), bytes);
    const spoiled = transfer({ path: "/src/large", to: "/l" });
    expect(await spoiled.catch((error) => error.code)).toBe("fs.hash_mismatch");
    expect(readdirSync(at(b, "")).filter((name) => name !== "outside")).toEqual([]);
    const { output } = await transfer({ path: "/src/large", to: "/l" });
    expect(output.copied_bytes).toBe(PARTIAL_BYTES_MIN + 10);
  });

  test("never goes on in a partial file that is a link or has a second name", async () => {
    writeFileSync(at(a, "src/large"), randomBytes(PARTIAL_BYTES_MIN + 10));
    await transfer({ path: "/src/large", to: "/l" }, { cut: 2_000_000 }).catch(() => {});
    const [partial] = readdirSync(at(b, "")).filter((name) => name.endsWith(".part"));
    linkSync(at(b, partial!), at(b, "second"));
    const before = readFileSync(at(b, "second"));
    const call = transfer({ path: "/src/large", to: "/l" });
    expect(await call.catch((error) => error.code)).toBe("fs.changed");
    expect(readFileSync(at(b, "second")).equals(before)).toBe(true);
  });

  test("asks the receiving node about every entry", async () => {
    const authorize = ({ resource }: Access) => resource !== "fs:workspace/copy/deep/b";
    const call = transfer({ path: "/src", to: "/copy" }, { authorize });
    expect(await call.catch((error) => error.code)).toBe("fs.entry_denied");
  });

  test("surveys no folder the caller may not list", async () => {
    mkdirSync(at(b, "copy/secret"), { recursive: true });
    writeFileSync(at(b, "copy/secret/key"), "key");
    const authorize = ({ resource }: Access) => !resource.startsWith("fs:workspace/copy/secret");
    const { text } = await b.call("survey_tree", { path: "/copy" }, { authorize });
    expect(text).not.toContain("key");
  });
});

const root: TreeEvent = { kind: "folder", below: "", mode: 0o755, modified_ns: 1n };
const end: TreeEvent = { kind: "folder_end" };
const file = (below: string, text: string, parts: object = {}): TreeEvent[] => [
  {
    kind: "file",
    below,
    mode: 0o644,
    modified_ns: 1n,
    size_bytes: text.length,
    offset_bytes: 0,
    kept: false,
    ...parts,
  },
  { kind: "data", bytes: Buffer.from(text) },
  {
    kind: "file_end",
    sha256: createHash("sha256").update(text).digest("hex"),
    size_bytes: text.length,
  },
];

async function* from(events: readonly TreeEvent[]) {
  yield* events;
}

const receive = (events: readonly TreeEvent[]) =>
  b.failure("receive_tree", { path: "/t" }, { content: encodeTree(from(events)) });

test("attack 20: a file that changed while it was received in its place keeps the change", async () => {
  const { version } = (await b.call("write", { path: "/t" }, { content: "old" })).output;
  const [head, data, tail] = file("", "new") as [TreeEvent, TreeEvent, TreeEvent];
  async function* content() {
    yield* encodeTree(from([head, data]));
    writeFileSync(at(b, "t"), "changed");
    yield* encodeTree(from([tail]));
  }
  const input = { path: "/t", expected_version: version };
  const failure = await b.failure("receive_tree", input, { content: content() });
  expect(failure).toBe("fs.version_mismatch");
  expect(readFileSync(at(b, "t"), "utf8")).toBe("changed");
});

describe("attack 39: a tree from a hostile sender", () => {
  test("cannot name anything outside its root", async () => {
    const names = ["..", "../x", "/etc/x", "a/../../x", ".", "a\0b", "", "a//b", "x/"];
    for (const below of names) {
      const failure = await receive([root, ...file(below, "evil"), end]);
      expect(["fs.stream_invalid", "fs.path_invalid"]).toContain(failure!);
    }
    expect(readdirSync(b.host).sort()).toEqual(["outside", "ws"]);
    expect(readdirSync(at(b, ""))).toEqual(["t"]);
  });

  test("cannot write through a link it brought, or make one that leads out", async () => {
    const link = (below: string, target: string): TreeEvent => ({
      kind: "link",
      below,
      target,
      modified_ns: 1n,
    });
    const folder = (below: string): TreeEvent => ({ ...root, below }) as TreeEvent;
    const out = [
      link("o", "../../outside"),
      link("p", `${b.host}/outside`),
      link("q", "s/../../outside"),
      link("r", ".."),
    ];
    expect(await receive([root, ...out, end])).toBeUndefined();
    expect(readdirSync(at(b, "t"))).toEqual([]);
    const chain = [root, link("s", "d"), folder("s"), ...file("s/x", "evil"), end, end];
    expect(await receive(chain)).toBe("fs.exists");
    symlinkSync("../../outside", at(b, "t/planted"));
    const through = [root, folder("planted"), ...file("planted/x", "evil"), end, end];
    expect(await receive(through)).toBe("fs.exists");
    expect(readdirSync(join(b.host, "outside"))).toEqual([]);
  });

  test("cannot lie about sizes, offsets, hashes, or what is there", async () => {
    const wrong = createHash("sha256").update("other").digest("hex");
    const [head, data] = file("f", "evil");
    const none = { kind: "file_end", sha256: undefined, size_bytes: 4 } as const;
    for (const [events, code] of [
      [[head, data, { ...none, sha256: wrong }], "fs.hash_mismatch"],
      [[head, data, none], "fs.hash_mismatch"],
      [[head, data, data, { ...none, sha256: wrong }], "fs.stream_invalid"],
      [[head, { ...none, sha256: wrong }], "fs.stream_invalid"],
      [file("f", "evil", { offset_bytes: 2 }), "fs.stream_invalid"],
      [file("f", "evil", { offset_bytes: 2, size_bytes: PARTIAL_BYTES_MIN }), "fs.changed"],
      [[{ ...head!, kept: true }], "fs.missing"],
    ] as const) {
      expect(await receive([root, ...(events as TreeEvent[]), end])).toBe(code);
    }
    expect(readdirSync(at(b, "t"))).toEqual([]);
  });

  test("cannot break the order of its parts", async () => {
    const [head, data, tail] = file("f", "x") as [TreeEvent, TreeEvent, TreeEvent];
    for (const events of [
      [],
      [end],
      [data],
      [tail],
      [root],
      [root, root, end, end],
      [root, end, end],
      [root, end, ...file("", "x")],
      [root, head, end],
      [root, head, head],
      [root, head, data],
      [root, data, end],
      [root, ...file("a/b", "x"), end],
    ]) {
      expect(await receive(events)).toBe("fs.stream_invalid");
    }
    const twice = encodeTree(from([...file("", "x"), ...file("", "x")]));
    const code = await b.failure("receive_tree", { path: "/one" }, { content: twice });
    expect(code).toBe("fs.stream_invalid");
  });
});

describe("TreeDecoder", () => {
  const decode = (...chunks: Uint8Array[]) => {
    const decoder = new TreeDecoder(failing);
    const events = chunks.flatMap((chunk) => [...decoder.push(chunk)]);
    decoder.end();
    return events;
  };
  const frame = (type: string, payload: string, length = payload.length) => {
    const header = Buffer.alloc(5);
    header.write(type);
    header.writeUInt32BE(length, 1);
    return Buffer.concat([header, Buffer.from(payload)]);
  };

  test("reads what was encoded, however it is cut", async () => {
    const events = [root, ...file("a", "some text"), end];
    const chunks: Uint8Array[] = [];
    for await (const chunk of encodeTree(from(events))) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    for (const size of [1, 3, 7, 64]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const read = decode(...pieces).filter(({ kind }) => kind !== "data");
      expect(read).toEqual(events.filter(({ kind }) => kind !== "data"));
    }
  });

  test("attack 39: refuses a frame as soon as its length is too much, before any of it comes", () => {
    for (const length of [1024 * 1024, 0xffffffff]) {
      const decoder = new TreeDecoder(failing);
      expect(() => [...decoder.push(frame("E", "", length))]).toThrow("stream_invalid");
    }
  });

  test("refuses unknown types, lengths, fields and ends, without holding what they announce", () => {
    for (const bytes of [
      frame("X", "{}"),
      frame("E", "{}"),
      frame("E", "no json"),
      frame("E", "", 0xffffffff),
      frame("E", '{"kind":"folder","below":"","mode":2541,"modified_ns":"1"}'),
      frame("E", '{"kind":"folder","below":"","mode":493,"modified_ns":"99999999999999999999"}'),
      frame("E", '{"kind":"folder","below":"","mode":493,"modified_ns":"1","x":1}'),
      frame("F", "x"),
      frame("H", '{"kind":"file_end","sha256":"zz","size_bytes":0}'),
      frame("D", "short", 10),
      Buffer.from("E"),
    ]) {
      expect(() => decode(bytes)).toThrow("stream_invalid");
    }
  });
});
