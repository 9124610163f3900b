// The tailnet's word on whose machine connected, as a fact for rules: against a stand-in of tailscaled's LocalAPI.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry } from "../src/audit/entry.ts";
import { KeyPair } from "../src/identity/key.ts";
import { identityIn } from "../src/node/tailnet.ts";
import { collect, TestNode, until } from "./harness/mesh.ts";

/** What the real one answers, shortened. */
const ALICE = {
  Node: { ID: 1, StableID: "n1", Name: "laptop.tail.ts.net.", Addresses: ["100.64.0.7/32"] },
  UserProfile: { ID: 2, LoginName: "alice@example.com", DisplayName: "Alice" },
  CapMap: {},
};
const asked: { readonly host: string | null; readonly url: URL }[] = [];
const guest = KeyPair.generate();
let folder: string;
let answer: () => Response | Promise<Response>;
let tailscaled: ReturnType<typeof Bun.serve>;
let near: TestNode;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "operon-tailnet-"));
  tailscaled = Bun.serve({
    unix: join(folder, "tailscaled.sock"),
    fetch: (request) => {
      asked.push({ host: request.headers.get("host"), url: new URL(request.url) });
      return answer();
    },
  });
  near = await TestNode.start({ name: "near" });
});
afterAll(async () => {
  await near?.[Symbol.asyncDispose]();
  await tailscaled?.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

/** A node that serves members of the tailnet alone, reached over a connection of its own. */
async function serving(rule = 'allow: [node.info]\n        when: { tailnet: ["*@example.com"] }') {
  const far = await TestNode.start({
    name: "far",
    daemon: `  tailscale_socket: ${join(folder, "tailscaled.sock")}`,
    policy: (own) => `  principals:
    near: { key: "${near.facts.key}", roles: [member] }
    guest: { key: "${guest.publicKey.id}", roles: [member] }
    own: { key: "${own}", roles: [operator] }
  roles:
    operator:
      - allow: [audit.*, node.*]
    member:
      - ${rule}`,
  });
  near.test.configure({
    ...near.test.options,
    nodes: `far: { endpoint: "${far.endpoint}", key: "${far.facts.key}" }`,
  });
  for (;;) {
    const { output } = await near.call("local", "node.list", {});
    if (JSON.stringify(output).includes(far.facts.key)) return far;
  }
}

const refusal = async () => (await near.call("far", "node.info", {})).error?.data?.reason;

describe("a connection from the tailnet", () => {
  test("has its user as a fact, which rules match and the audit log shows; asked once", async () => {
    answer = () => Response.json(ALICE);
    asked.length = 0;
    await using far = await serving();
    for (let call = 0; call < 3; call++)
      expect((await near.call("far", "node.info", {})).error).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(asked[0]?.host).toBe("local-tailscaled.sock");
    expect(asked[0]?.url.pathname).toBe("/localapi/v0/whois");
    expect(asked[0]?.url.searchParams.get("addr")).toMatch(/^127\.0\.0\.1:\d+$/);
    const isNoted = async () => {
      const { values } = await far.call("local", "audit.list", {});
      return (values as readonly AuditEntry[]).some(
        ({ operation, principal, facts }) =>
          operation === "node.info" &&
          principal === near.facts.key &&
          facts?.tailnet === "alice@example.com",
      );
    };
    // The entry of a read may come a moment after its answer.
    await until(isNoted, 30_000);
  });

  test("of somebody else is refused by the rule, and says why", async () => {
    answer = () => Response.json({ ...ALICE, UserProfile: { LoginName: "eve@elsewhere.org" } });
    await using _far = await serving();
    expect(await refusal()).toBe("tailnet-not-allowed");
  });

  test("attack 31: through a relay the relay's identity is not the caller's", async () => {
    answer = () => Response.json(ALICE);
    await using _far = await serving();
    await using caller = await near.caller(guest);
    const relayed = await collect(caller, { node: "far", operation: "node.info", input: {} });
    expect(relayed.error?.data?.reason).toBe("tailnet-not-allowed");
    expect(await refusal()).toBeUndefined();
  });

  test.each([
    ["knows nobody there", () => new Response("no match for IP:port", { status: 404 })],
    ["answers no JSON", () => new Response("alice@example.com")],
    ["answers too much", () => Response.json({ ...ALICE, CapMap: "x".repeat(200_000) })],
    ["redirects", () => Response.redirect("http://127.0.0.1:1/")],
    ["never answers", () => new Promise<Response>(() => {})],
  ])(
    "is unknown when tailscaled %s: allow rules do not match, deny rules do",
    async (_what, reply) => {
      answer = reply;
      {
        await using _far = await serving();
        expect(await refusal()).toBe("tailnet-not-allowed");
      }
      await using _far = await serving(
        'allow: [node.info]\n      - deny: [node.info]\n        when: { tailnet: ["eve@*"] }',
      );
      expect(await refusal()).toBe("denied-by-rule");
    },
  );
});

describe("identityIn()", () => {
  test("takes a user's login name, and the tags of a machine that is nobody's", () => {
    expect(identityIn(ALICE)).toBe("alice@example.com");
    const tagged = { Node: { Tags: ["tag:ci", "tag:prod"] }, UserProfile: ALICE.UserProfile };
    expect(identityIn(tagged)).toEqual(["tag:ci", "tag:prod"]);
  });

  test.each([
    null,
    [[]],
    "alice@example.com",
    { UserProfile: { LoginName: "alice@example.com" } },
    { Node: null, UserProfile: { LoginName: "alice@example.com" } },
    { Node: {} },
    { Node: {}, UserProfile: { LoginName: "" } },
    { Node: {}, UserProfile: { LoginName: "alice\u0007@example.com" } },
    { Node: {}, UserProfile: { LoginName: "x".repeat(321) } },
    { Node: {}, UserProfile: { LoginName: ["alice@example.com"] } },
    { Node: { Tags: ["ci"] }, UserProfile: { LoginName: "alice@example.com" } },
    { Node: { Tags: "tag:ci" }, UserProfile: { LoginName: "alice@example.com" } },
    { Node: { Tags: Array(65).fill("tag:ci") } },
  ])("takes nothing else: %j", (answer) => {
    expect(identityIn(answer)).toBeUndefined();
  });
});
