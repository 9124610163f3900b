import { describe, expect, test } from "bun:test";
import { ask, codeOf, policyOf, rulesOf } from "./policy.fixture.ts";
import { compileTailnet } from "./tailnet_caveat.ts";

describe("tailnet", () => {
  test("holds for a user or a tag that a glob matches", () => {
    const matches = compileTailnet(["alice@example.com", "*@ops.example.com", "tag:ci"]);
    for (const tailnet of ["alice@example.com", "bob@ops.example.com", ["tag:prod", "tag:ci"]])
      expect(matches({ facts: { tailnet } })).toBe("holds");
    for (const tailnet of ["mallory@example.com", "alice@example.com.evil.net", ["tag:cinema"]])
      expect(matches({ facts: { tailnet } })).toBe("fails");
  });

  test.each([{}, { tailnet: [] }, { tailnet: 1 }, { tailnet: [1] }, { tailnet: { a: "b" } }])(
    "is unknown with the facts %j",
    (facts) => {
      expect(compileTailnet(["**"])({ facts })).toBe("unknown");
    },
  );

  test("without the fact no allow rule applies, and every deny or ask rule does", async () => {
    const when = `when: { tailnet: ["*@example.com"] }`;
    const allowing = await rulesOf(`- allow: ['*']\n  ${when}`);
    expect(ask(allowing, {})).toMatchObject({ verdict: "deny", reason: "tailnet-not-allowed" });
    expect(ask(allowing, { facts: { tailnet: "a@example.com" } }).verdict).toBe("allow");
    const denying = await rulesOf(`- allow: ['*']\n- deny: ['*']\n  ${when}`);
    expect(ask(denying, {}).verdict).toBe("deny");
    expect(ask(denying, { facts: { tailnet: "a@other.com" } }).verdict).toBe("allow");
    const asking = await rulesOf(`- allow: ['*']\n- ask: ['*']\n  ${when}`);
    expect(ask(asking, {}).verdict).toBe("ask");
  });

  test.each(["[]", "alice@example.com", '[""]', "[1]", '["a\\nb"]'])(
    "refuses %s",
    async (value) => {
      const rule = `roles:\n  tester:\n    - allow: ['*']\n      when: { tailnet: ${value} }`;
      expect(await codeOf(policyOf(rule))).toMatch(/^policy\./);
    },
  );
});
