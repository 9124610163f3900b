import { expect, test } from "bun:test";
import { commandTable } from "./command_table.ts";
import { complete } from "./completion.ts";
import { BOX, FakeNodes } from "./shell.fixture.ts";

const nodes = new FakeNodes();
for (const path of [
  "local:/notes.txt",
  "local:/.hidden",
  "local:/new folder/x",
  "local:/a$b",
  "local:/-rf",
  "local:/esc\x1b[2J",
  "b:/data/deep/y",
  "b:/data/disk",
])
  nodes.files.set(path, "");

async function offered(line: string, all = nodes): Promise<readonly string[]> {
  const { candidates, replaces } = await complete(line, {
    table: commandTable([BOX], []),
    place: { node: "local", path: "/" },
    connect: async () => all,
    signal: new AbortController().signal,
  });
  for (const candidate of candidates) expect(candidate.startsWith(replaces)).toBeTrue();
  return candidates;
}

test.each([
  ["l", ["ls ", "local: "]],
  ["ca", ["cat "]],
  ["b", ["box ", "b: "]],
  ["box l", ["look "]],
  ["cat n", ["notes.txt ", "new\\ folder/"]],
  ["cat new\\ f", ["new\\ folder/"]],
  ["cat new\\ folder/", ["new\\ folder/x "]],
  ["cat ", ["./-rf "]],
  ["cat .", [".hidden "]],
  ["cat a", ["a:", "a\\$b "]],
  ["cat b:", ["b:/data/"]],
  ["cat b:/data/d", ["b:/data/deep/", "b:/data/disk "]],
  ["b: c", ["cat ", "cd "]],
  ["cat x | ca", ["cat "]],
  ["cat x && ca", ["cat "]],
  ["on a,b: ca", ["cat "]],
  ["grep x n", ["notes.txt ", "new\\ folder/"]],
  ["cat x > no", ["notes.txt "]],
  ["cat --off", []],
  ["box put --app", ["--append "]],
  ["ls --js", ["--json "]],
  ["box who ", ["local ", "a ", "b "]],
  ["cat 'n", []],
])("%p is completed", async (line, expected) => {
  const found = await offered(line);
  if (line.endsWith(" ")) expect(found).toEqual(expect.arrayContaining(expected));
  else expect([...found].toSorted()).toEqual([...expected].toSorted());
});

test("attack 27: a name that a terminal would obey is not offered", async () => {
  expect(await offered("cat esc")).toEqual([]);
});

test("attack 12: a folder and an address book without end are not read to their end", async () => {
  const many = new FakeNodes();
  for (let i = 0; i < 5_000; i++) many.files.set(`local:/f${i}`, "");
  expect((await offered("cat f", many)).length).toBe(200);
  expect(many.calls.find(({ operation }) => operation === "box.look")!.isCancelled).toBeTrue();
});

test("a node that is gone offers nothing and fails nothing", async () => {
  const gone = new FakeNodes();
  gone.gone.add("b").add("local");
  expect(await offered("cat b:/d", gone)).toEqual([]);
  expect(await offered("ca", gone)).toEqual(["cat "]);
});
