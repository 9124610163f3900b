// Copies between real nodes over real sockets: which way they go, whose right counts, what a cut leaves.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";
import { planRelay, relay, relayDirectly } from "../src/contract/relay.ts";
import { OperonError } from "../src/error.ts";
import { KeyPair } from "../src/identity/key.ts";
import { encodeRequest } from "../src/wire/envelope.ts";
import { signHandedRequest } from "../src/wire/handed_request.ts";
import { operatorPolicy, TestHome, TestNode } from "./harness/mesh.ts";
import { RawPeer } from "./harness/raw_peer.ts";

const described = new Registry(Object.values(builtin))
  .describe()
  .flatMap(({ operations }) => operations);
const operation = described.find(({ id }) => id === "fs.copy")!;
const guest = KeyPair.generate();

let a: TestNode;
let b: TestNode;
/** Knows both, and is a principal of both. */
let far: TestNode;
/** Knows nobody; `far` is its principal. */
let lonely: TestNode;

/** Everything but /secrets for the owner and the other node; a guest may read at a, and write below /guest at b. */
function policy(own: string, ...others: readonly string[]): string {
  return `${operatorPolicy(own, ...others).replace(
    "  roles:",
    `    guest: { key: "${guest.publicKey.id}", roles: [guest] }\n  roles:\n    guest:\n      - allow: [node.resolve]\n      - allow: [fs.send_tree, fs.read, fs.list]\n        on: ["fs:workspace/src/**"]\n      - allow: [fs.receive_tree, fs.fetch_tree, fs.survey_tree, fs.transfer, fs.write, fs.mkdir, fs.list]\n        on: ["fs:workspace/guest/**"]`,
  )}`;
}

beforeAll(async () => {
  const [home, other] = [new TestHome({ name: "a" }), new TestHome({ name: "b" })];
  const [third, fourth] = [new TestHome({ name: "far" }), new TestHome({ name: "lonely" })];
  home.configure({ name: "a", policy: (own) => policy(own, other.id, third.id) });
  a = await TestNode.start(home);
  const nodes = `a: { endpoint: "${a.endpoint}", key: "${home.id}" }`;
  other.configure({ name: "b", nodes, policy: (own) => policy(own, home.id, third.id) });
  b = await TestNode.start(other);
  fourth.configure({ name: "lonely", policy: (own) => policy(own, third.id) });
  lonely = await TestNode.start(fourth);
  const all = `${nodes}, b: { endpoint: "${b.endpoint}", key: "${other.id}" },
    lonely: { endpoint: "${lonely.endpoint}", key: "${fourth.id}" }`;
  third.configure({ name: "far", nodes: all, policy: (own) => policy(own) });
  far = await TestNode.start(third);
  mkdirSync(join(home.workspace, "src/deep"), { recursive: true });
  writeFileSync(join(home.workspace, "src/a"), "a", { mode: 0o750 });
  writeFileSync(join(home.workspace, "src/deep/b"), randomBytes(300_000));
  mkdirSync(join(home.workspace, "secrets"));
  writeFileSync(join(home.workspace, "secrets/key"), "key");
  // The other node may read it, the guest may not.
  writeFileSync(join(home.workspace, "guarded"), "guarded");
  mkdirSync(join(other.workspace, "guest"));
});

afterAll(async () => {
  await far[Symbol.asyncDispose]();
  await lonely[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
});

const relayed = (path: string, to: string) => ({
  operation,
  input: { path, to, recursive: true },
  from: "a",
  to: "b",
});
/** A request of `signer` to `to`, for another to hand on. */
function handed(signer: KeyPair, to: TestNode, [id, input]: readonly [string, unknown]): string {
  return signHandedRequest({
    key: signer,
    addressee: to.test.key.publicKey,
    timeMs: Date.now(),
    request: encodeRequest({ operation: id, input }),
  });
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error) => (error as OperonError).code,
  );

function expectSame(from: string, to: string): void {
  for (const name of ["a", "deep/b"]) {
    const [source, copy] = [join(a.test.workspace, from, name), join(b.test.workspace, to, name)];
    expect(readFileSync(copy).equals(readFileSync(source))).toBe(true);
    expect(statSync(copy).mode).toBe(statSync(source).mode);
    expect(statSync(copy, { bigint: true }).mtimeNs).toBe(
      statSync(source, { bigint: true }).mtimeNs,
    );
  }
}

describe("fs.copy between two nodes", () => {
  test("goes straight when one of them is the caller's own", async () => {
    const output = await relayDirectly(await b.caller(), relayed("/src", "/direct"));
    expect(output).toMatchObject({ via: "direct", files: 2, created: true, skipped: 0 });
    expectSame("src", "direct");
    const back = { ...relayed("/direct", "/pushed"), from: "b", to: "a" };
    expect(await relayDirectly(await b.caller(), back)).toMatchObject({ via: "direct", files: 2 });
    const again = await relayDirectly(await b.caller(), back);
    expect(again).toMatchObject({ files: 0, kept: 2, copied_bytes: 0 });
  });

  test("goes through the caller, with the caller's own rights", async () => {
    await using caller = await b.caller(guest);
    const plan = planRelay(relayed("/src", "/guest/copy"), described);
    let bytes = 0;
    const output = await relay(caller, plan, {
      onBytes: (more) => {
        bytes += more;
      },
    });
    expect(output).toMatchObject({ via: "caller", files: 2, created: true });
    expect(bytes).toBeGreaterThan(300_000);
    expectSame("src", "guest/copy");
  });

  test("goes straight between two nodes that know each other, as the caller's", async () => {
    const output = await relayDirectly(await far.caller(), relayed("/src", "/fetched"));
    expect(output).toMatchObject({ via: "direct", files: 2, created: true, skipped: 0 });
    expectSame("src", "fetched");
    const again = await relayDirectly(await far.caller(), relayed("/src", "/fetched"));
    expect(again).toMatchObject({ via: "direct", files: 0, kept: 2, copied_bytes: 0 });
    const { chunks } = (await a.caller()).call("local", "audit.list", {
      action: "fs.send_tree",
    });
    const entries: unknown[] = [];
    for await (const chunk of chunks) if (chunk.kind === "value") entries.push(chunk.value);
    const asked = { principal: far.test.id, via: b.test.id };
    expect(entries).toContainEqual(expect.objectContaining(asked));
  });

  test("goes through the caller where the target does not know the source", async () => {
    const plan = { ...relayed("/src", "/through"), to: "lonely" };
    const output = await relayDirectly(await far.caller(), plan);
    expect(output).toMatchObject({ via: "caller", files: 2 });
    expect(readFileSync(join(lonely.test.workspace, "through/a"), "utf8")).toBe("a");
  });

  test("attack 31: a node hands on only what its own caller signed, once, for another node", async () => {
    await using caller = await b.caller(guest);
    const fetch = (request: string) =>
      codeOf(caller.call("b", "fs.fetch_tree", { path: "/guest/got", request }).output);
    const [send, source] = ["fs.send_tree", { path: "/src", recursive: true }];
    const refused = {
      "another's": handed(far.test.key, a, [send, source]),
      "the node's own": handed(b.test.key, a, [send, source]),
      "another purpose": handed(guest, a, ["fs.rm", { path: "/src" }]),
      "this very node": handed(guest, b, [send, source]),
    };
    for (const [name, request] of Object.entries(refused))
      expect([name, await fetch(request)]).toEqual([name, "node.not_handed_on"]);
    expect(await fetch(handed(guest, a, [send, { path: "/secrets" }]))).toBe("policy.denied");
    expect(readdirSync(join(b.test.workspace, "guest"))).not.toContain("got");
    const request = handed(guest, a, [send, source]);
    expect(await fetch(request)).toBeUndefined();
    expect(await fetch(request)).toBe("wire.replayed");
    const forged = Buffer.from(request, "base64url");
    forged[forged.length - 1] = forged.at(-1)! ^ 1;
    expect(await fetch(forged.toString("base64url"))).toBe("wire.signature_invalid");
    expect(await fetch(`${request}AAAA`)).toBe("wire.message_invalid");
  });

  test("names the node that refuses, and makes nothing", async () => {
    await using caller = await b.caller(guest);
    const refusals = [
      ["/secrets", "/guest/x", "a: "],
      ["/src", "/elsewhere", "b: "],
    ] as const;
    for (const [path, to, start] of refusals) {
      const call = relay(caller, planRelay(relayed(path, to), described));
      const error = await call.catch((thrown) => thrown);
      expect(error).toBeInstanceOf(OperonError);
      expect([error.code, error.message.slice(0, 3)]).toEqual(["policy.denied", start]);
    }
    expect(readdirSync(b.test.workspace)).not.toContain("elsewhere");
    expect(readdirSync(join(b.test.workspace, "guest"))).not.toContain("x");
  });

  test("attack 31: a node never copies in another's name with its own rights", async () => {
    await using caller = await b.caller(guest);
    const secret = relayed("/secrets", "/guest/stolen");
    expect(await relayDirectly(caller, secret)).toBeUndefined();
    const ends = { from_node: "a", to_node: "b", to: "/guest/stolen" };
    // Policy lets the guest ask, and would let the node itself read it.
    const input = { ...ends, path: "/guarded" };
    expect(await codeOf(caller.call("b", "fs.transfer", input).output)).toBe("fs.not_own");
    // Nor for a node that is a principal with every right here, nor for its own key when another relays the call.
    const peer = (await far.caller()).call("b", "fs.transfer", input).output;
    expect(await codeOf(peer)).toBe("fs.not_own");
    const relaying = await RawPeer.connect(b.endpoint, far.test.key);
    const asked = { operation: "fs.transfer", input };
    const answer = await relaying.call(asked, { key: b.test.key });
    expect(answer).toMatchObject({ ok: false, error: { code: "fs.not_own" } });
    relaying.socket.close();
    expect(readdirSync(join(b.test.workspace, "guest"))).not.toContain("stolen");
  });

  test("an entry that policy denies stops it, or is left out when asked", async () => {
    const all = relayed("/", "/all");
    const caller = await b.caller();
    const refused = await codeOf(relay(caller, planRelay(all, described)));
    expect(refused).toBe("fs.entry_denied");
    const skipping = { ...all, input: { ...all.input, skip_denied: true } };
    const output = await relay(caller, planRelay(skipping, described));
    expect(output.skipped_entries).toEqual([{ path: "secrets", reason: "denied" }]);
    expect(readdirSync(join(b.test.workspace, "all"))).not.toContain("secrets");
  });

  test("goes on in the middle of a large file after the caller left", async () => {
    const content = randomBytes(12 * 1024 * 1024);
    writeFileSync(join(a.test.workspace, "large"), content);
    const caller = await b.caller();
    const leaving = new AbortController();
    let seen = 0;
    const cut = relay(caller, planRelay(relayed("/large", "/large"), described), {
      signal: leaving.signal,
      onBytes: (more) => {
        seen += more;
        if (seen > 6 * 1024 * 1024) leaving.abort(new Error("left"));
      },
    });
    expect(await codeOf(cut)).not.toBeUndefined();
    expect(readdirSync(b.test.workspace)).not.toContain("large");
    const resumed = async () => {
      const output = await codeOf(relay(caller, planRelay(relayed("/large", "/large"), described)));
      return output !== "fs.busy";
    };
    // The call that was left may still hold its partial file for a moment.
    for (let tries = 0; !(await resumed()) && tries < 50; tries++);
    expect(readFileSync(join(b.test.workspace, "large")).equals(content)).toBe(true);
    const report = await relay(caller, planRelay(relayed("/large", "/large"), described));
    expect(report).toMatchObject({ kept: 1, copied_bytes: 0 });
  });
});
