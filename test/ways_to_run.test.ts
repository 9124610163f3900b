// Every way to start a command on a node is decided as running it is.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OperonError } from "../src/error.ts";
import { KeyPair } from "../src/identity/key.ts";
import { TestHome, TestNode } from "./harness/mesh.ts";

const careful = KeyPair.generate();
const narrow = KeyPair.generate();
let node: TestNode;

beforeAll(async () => {
  const policy = (own: string) => `  principals:
    own: { key: "${own}", roles: [careful] }
    careful: { key: "${careful.publicKey.id}", roles: [careful] }
    narrow: { key: "${narrow.publicKey.id}", roles: [narrow] }
  roles:
    careful:
      - allow: [node.resolve, audit.list, exec.*]
      - deny: [exec.run]
        when: { argv: [[rm, "**"]] }
      - ask: [exec.run]
        when: { argv: [[touch, "**"]] }
    narrow:
      - allow: [node.resolve, exec.start, exec.session]`;
  node = await TestNode.start(new TestHome({ name: "a", policy }));
});
afterAll(() => node[Symbol.asyncDispose]());

describe("a rule about exec.run", () => {
  const ways = ["exec.run", "exec.start", "exec.session"];
  const codeOf = async (who: KeyPair, way: string, argv: string[]) => {
    await using caller = await node.caller(who);
    const call = caller.call("a", way, { argv });
    return await call.output.then(
      () => undefined,
      (error: OperonError) => error.code,
    );
  };

  test.each(ways)("attack 21: holds for %s", async (way) => {
    expect(await codeOf(careful, way, ["rm", "-rf", "/nope"])).toBe("policy.denied");
    expect(await codeOf(careful, way, ["env", "rm", "-rf", "/nope"])).toBe("policy.denied");
    expect(await codeOf(careful, way, ["true"])).toBeUndefined();
  });

  test.each(ways)("attack 29: that asks for an approval keeps %s from running it", async (way) => {
    expect(await codeOf(careful, way, ["touch", "made"])).toBe("policy.approval_required");
    expect(existsSync(join(node.test.workspace, "made"))).toBeFalse();
    const { values } = await node.call("local", "audit.list", { action: way.split(".")[1] });
    expect(values.at(-1)).toMatchObject({ event: "decided", decision: { verdict: "ask" } });
  });

  test.each(ways)("attack 21: who may not run commands may not by %s", async (way) => {
    expect(await codeOf(narrow, way, ["true"])).toBe("policy.denied");
  });
});
