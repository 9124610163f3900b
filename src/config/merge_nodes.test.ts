import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyPair } from "../identity/key.ts";
import { mergeNodes } from "./merge_nodes.ts";

const [key, other] = [KeyPair.generate().publicKey.id, KeyPair.generate().publicKey.id];
const node = { name: "gpu", key, endpoint: "ws://192.0.2.7:7789" };
const options = { settings: {} };
let folder: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "operon-merge-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(folder, `${count++}.yaml`);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe("mergeNodes()", () => {
  test("makes a private file where there was none", async () => {
    const path = join(folder, "fresh.yaml");
    expect(await mergeNodes(path, options, [node])).toMatchObject({ added: ["gpu"] });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toContain(key);
  });

  test("says to make the folder where there is none, not to make a home", async () => {
    const path = join(folder, "nowhere", "nodes.yaml");
    const refused = mergeNodes(path, options, [node]);
    await expect(refused).rejects.toMatchObject({
      code: "identity.file_missing",
      hint: expect.stringContaining(`mkdir -p -m 700 ${join(folder, "nowhere")}`),
    });
  });

  test("keeps comments and other nodes, and adds the section where there is none", async () => {
    const path = file(`version: 1 # the first
client:
  nodes:
    # Compared by hand.
    old: { endpoint: "ws://192.0.2.1:1", key: "${other}" }
`);
    await mergeNodes(path, options, [node]);
    const text = readFileSync(path, "utf8");
    for (const kept of ["# the first", "# Compared by hand.", other, key])
      expect(text).toContain(kept);
    const bare = file("version: 1\n# nothing yet\n");
    await mergeNodes(bare, options, [node]);
    expect(readFileSync(bare, "utf8")).toContain("# nothing yet");
    expect(readFileSync(bare, "utf8")).toContain(key);
  });

  test("does not touch a node that is there with another key or endpoint, and says what differs", async () => {
    const entry = (key: string, endpoint: string) =>
      `version: 1\nclient: { nodes: { gpu: { endpoint: "${endpoint}", key: "${key}" } } }\n`;
    const rekeyed = file(entry(other, node.endpoint));
    const free = { ...node, name: "free" };
    const { added, conflicts } = await mergeNodes(rekeyed, options, [node, free]);
    expect(conflicts).toEqual([{ name: "gpu", field: "key", there: other, found: key }]);
    expect(added).toEqual(["free"]);
    expect(readFileSync(rekeyed, "utf8")).toContain(other);
    const moved = file(entry(key, "ws://192.0.2.9:9"));
    expect((await mergeNodes(moved, options, [node])).conflicts[0]?.field).toBe("endpoint");
    expect(readFileSync(moved, "utf8")).not.toContain(node.endpoint);
  });

  test("does not pin a key on a node that is there without one", async () => {
    const path = file(`version: 1\nclient: { nodes: { gpu: { endpoint: "${node.endpoint}" } } }\n`);
    expect((await mergeNodes(path, options, [node])).unchanged).toEqual(["gpu"]);
    expect(readFileSync(path, "utf8")).not.toContain(key);
  });

  test("takes the first of two nodes with one name, and reports the second", async () => {
    const path = join(folder, "twice.yaml");
    const rival = { ...node, key: other };
    expect((await mergeNodes(path, options, [node, rival])).conflicts).toHaveLength(1);
    expect(readFileSync(path, "utf8")).not.toContain(other);
  });

  test("leaves a configuration that is not valid as it is", async () => {
    const text = "version: 1\npolcy: {}\n";
    const path = file(text);
    expect(mergeNodes(path, options, [node])).rejects.toMatchObject({ code: "config.invalid" });
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});
