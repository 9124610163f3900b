// Discovery over real multicast on loopback: daemons that announce themselves, and others who announce what they like.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createSocket } from "node:dgram";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import multicastDns, { type ResponseOutgoingPacket } from "multicast-dns";
import type { Discovery, FoundNode } from "../src/contract/services.ts";
import { KeyPair } from "../src/identity/key.ts";
import { recordsOf, SERVICE } from "../src/node/discovery/announcement.ts";
import { operatorPolicy, TestNode, until } from "./harness/mesh.ts";

// Datagrams get lost on a busy machine, and each look takes a second.
setDefaultTimeout(60_000);

const main = join(dirname(import.meta.dir), "src/main.ts");
const LOOPBACK = "127.0.0.1";
/** An address of nobody else, from which hostile announcements come. */
const STRANGER = "127.0.0.2";
const run = crypto.randomUUID().slice(0, 8);
const [NEAR, FAR, QUIET] = [`near-${run}`, `far-${run}`, `quiet-${run}`];

let near: TestNode;
let far: TestNode;
let quiet: TestNode;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "operon-discovery-"));
  const daemon = "  advertise_lan: true";
  far = await TestNode.start({ name: FAR, daemon });
  near = await TestNode.start({ name: NEAR, daemon });
  quiet = await TestNode.start({ name: QUIET });
});

afterAll(async () => {
  for (const node of [near, far, quiet]) await node?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function look(node: TestNode, input: object = {}): Promise<Discovery> {
  const { output, error } = await node.call("local", "node.discover", {
    timeout_secs: 1,
    ...input,
  });
  expect(error).toBeUndefined();
  return output as Discovery;
}

/** Looks until it finds; datagrams may get lost on a busy machine. */
async function find(
  node: TestNode,
  wanted: (found: FoundNode) => boolean,
  input: object = {},
): Promise<FoundNode> {
  for (let attempt = 0; attempt < 15; attempt++) {
    const found = (await look(node, input)).nodes.find(wanted);
    if (found) return found;
  }
  throw new Error("Not found");
}

/** Answers whoever asks with what it is given, as anybody on the network can. */
async function hostileAnnouncer(packets: readonly ResponseOutgoingPacket[]): Promise<Disposable> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const voice = multicastDns({ socket, bind: false, interface: LOOPBACK });
  await new Promise<void>((resolve) => socket.bind(0, STRANGER, resolve));
  const ear = multicastDns({ bind: "0.0.0.0", interface: LOOPBACK });
  ear.on("query", ({ questions = [] }) => {
    if (!questions.some(({ name }) => name === SERVICE)) return;
    for (const packet of packets) voice.respond(packet);
  });
  await new Promise<void>((resolve) => ear.on("ready", resolve));
  return {
    [Symbol.dispose]() {
      ear.destroy();
      voice.destroy();
    },
  };
}

function announced(name: string, key = KeyPair.generate().publicKey): ResponseOutgoingPacket {
  const announcement = { name, key, endpoint: "ws://127.0.0.1:9" };
  return recordsOf(announcement, LOOPBACK) as ResponseOutgoingPacket;
}

async function discoverTo(file: string) {
  const words = ["--home", near.test.home.path, "node", "discover", "--json"];
  const child = Bun.spawn(
    [process.execPath, main, ...words, "--timeout-secs", "1", "--output-config", file],
    { stdout: "pipe", stderr: "pipe" },
  );
  const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  return { errors, code };
}

describe("node.discover", () => {
  test("finds another daemon of this machine and itself, and those that do not announce not", async () => {
    const found = await find(near, ({ name }) => name === FAR);
    expect(found).toMatchObject({
      key: far.facts.key,
      endpoint: far.endpoint,
      state: "new",
      fingerprint: far.test.key.publicKey.fingerprint,
    });
    const own = await find(near, ({ name }) => name === NEAR);
    expect(own.state).toBe("self");
    const { nodes } = await look(near);
    expect(nodes.some(({ name }) => name === QUIET)).toBe(false);
  });

  test("finds a daemon from when its configuration says so until it no longer does", async () => {
    const name = `late-${run}`;
    await using late = await TestNode.start({ name });
    late.test.configure({ name, daemon: "  advertise_lan: true" });
    await find(near, (found) => found.name === name);
    late.test.configure({ name });
    const isGone = async () => !(await look(near)).nodes.some((found) => found.name === name);
    await until(isGone, 30_000);
  });

  test("makes nobody known and nobody a principal", async () => {
    await find(near, ({ name }) => name === FAR);
    const { output } = await near.call("local", "node.list", {});
    expect(JSON.stringify(output)).not.toContain(FAR);
    expect((await near.call(FAR, "node.info", {})).error?.code).toBe("node.unknown");
    expect((await far.call(near.facts.key, "node.info", {})).error).toBeDefined();
  });

  test("tells whether a node has the key it announces", async () => {
    const found = await find(near, ({ name }) => name === FAR, { check_health: true });
    expect(found.health).toBe("answers");
  });

  test("attack 12: an announcement of somebody else's endpoint is found out by asking", async () => {
    const name = `thief-${run}`;
    const key = KeyPair.generate().publicKey;
    const records = recordsOf({ name, key, endpoint: far.endpoint }, LOOPBACK);
    using _thief = await hostileAnnouncer([records as ResponseOutgoingPacket]);
    const found = await find(near, (other) => other.name === name, { check_health: true });
    expect(found.health).toBe("other_key");
  });

  test("attack 12: a known name with another key is reported as a conflict and never merged", async () => {
    const file = join(folder, "conflict.yaml");
    const text = `version: 1\n# Compared by hand.\nclient:\n  nodes:\n    ${FAR}: { endpoint: "${far.endpoint}", key: "${far.facts.key}" }\n`;
    writeFileSync(file, text, { mode: 0o600 });
    near.test.configure({ ...near.test.options, nodes: nodeEntry(FAR, far) });
    await find(near, ({ name, state }) => name === FAR && state === "known");
    const claimed = KeyPair.generate().publicKey;
    using _rival = await hostileAnnouncer([announced(FAR, claimed)]);
    const rival = await find(near, ({ key }) => key === claimed.id);
    expect(rival.state).toBe("conflict");
    expect(rival.note).toContain(far.test.key.publicKey.fingerprint);
    let merged = await discoverTo(file);
    // The rival's datagram may get lost.
    for (let attempt = 0; merged.code === 0 && attempt < 15; attempt++)
      merged = await discoverTo(file);
    expect(merged.errors).toContain("cli.nodes_in_conflict");
    expect(readFileSync(file, "utf8")).toContain("# Compared by hand.");
    expect(readFileSync(file, "utf8")).not.toContain(claimed.id);
    expect(existsSync(near.test.home.known_nodes_path)).toBe(false);
  });

  test("attack 12: control bytes reach nobody: what is not in form is counted and dropped", async () => {
    const wrong = announced(`wrong-${run}`);
    const texts = wrong.additionals?.find(({ type }) => type === "TXT") as { data: string[] };
    texts.data = texts.data.map((text) => text.replace("name=wrong", "name=\u001b]0;owned\u0007"));
    using _liar = await hostileAnnouncer([wrong]);
    for (let attempt = 0; ; attempt++) {
      const result = await look(near);
      expect(JSON.stringify(result)).not.toContain("owned");
      if (result.malformed > 0 || attempt > 15) {
        expect(result.malformed).toBeGreaterThan(0);
        break;
      }
    }
  });

  test("attack 12: a flood is kept within bounds, hides nobody and lasts no longer", async () => {
    const flood = Array.from({ length: 400 }, (_, index) => announced(`flood-${index}-${run}`));
    using _flood = await hostileAnnouncer(flood);
    for (let attempt = 0; ; attempt++) {
      const { nodes, complete } = await look(near);
      expect(nodes.filter(({ name }) => name.startsWith("flood-")).length).toBeLessThanOrEqual(64);
      const isFound = nodes.some(({ key }) => key === far.facts.key);
      if ((isFound && !complete) || attempt > 15) {
        expect({ isFound, complete }).toEqual({ isFound: true, complete: false });
        break;
      }
    }
  });

  test("refuses more than four looks at once, and others stay possible", async () => {
    const looks = Array.from({ length: 6 }, () =>
      near.call("local", "node.discover", { timeout_secs: 1 }),
    );
    const codes = (await Promise.all(looks)).map(({ error }) => error?.code);
    expect(codes.filter((code) => code === "node.discovery_busy")).toHaveLength(2);
    expect(codes.filter((code) => code === undefined)).toHaveLength(4);
    await look(near, { timeout_secs: 0.1 });
  });

  test("needs the right to it", async () => {
    await using strict = await TestNode.start({
      name: `strict-${run}`,
      policy: (own) => operatorPolicy(own).replace("node.*, ", ""),
    });
    const { error } = await strict.call("local", "node.discover", { timeout_secs: 0.1 });
    expect(error?.code).toBe("policy.denied");
  });
});

describe("node discover --output-config", () => {
  test("makes a private file that names the nodes with their keys, and nothing that vouches for them", async () => {
    const file = join(folder, "fresh.yaml");
    for (let attempt = 0; attempt < 15; attempt++) {
      const { code } = await discoverTo(file);
      expect(code).toBe(0);
      if (readFileSync(file, "utf8").includes(FAR)) break;
    }
    const text = readFileSync(file, "utf8");
    expect(text).toContain(far.facts.key);
    expect(text).toContain(far.endpoint);
    expect(text).not.toContain(NEAR);
    expect(text).not.toContain("principals");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("attack 33: refuses a configuration that others can write", async () => {
    const file = join(folder, "open.yaml");
    writeFileSync(file, "version: 1\n");
    chmodSync(file, 0o666);
    const { code, errors } = await discoverTo(file);
    expect(code).not.toBe(0);
    expect(errors).toContain("identity.file_exposed");
    expect(readFileSync(file, "utf8")).toBe("version: 1\n");
  });
});

function nodeEntry(name: string, node: TestNode): string {
  return `${name}: { endpoint: "${node.endpoint}", key: "${node.facts.key}" }`;
}
