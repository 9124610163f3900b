import { describe, expect, test } from "bun:test";
import { lintPolicy } from "./lint.ts";
import { KEYS, policyOf, rulesOf } from "./policy.fixture.ts";

const codesOf = async (rules: string) =>
  lintPolicy(await rulesOf(rules)).map((finding) => finding.code);

describe("lintPolicy()", () => {
  test("has nothing to say about a plain policy", async () => {
    expect(
      await codesOf(`
- allow: [fs.*]
- ask: [fs.rm]
- deny: [fs.*]
  on: ["fs:workspace/secrets/**"]`),
    ).toEqual([]);
  });
  test("finds roles nobody has, roles without rules, principals without power", async () => {
    const policy = await policyOf(`
principals:
  alice: { key: "${KEYS.alice}", roles: [empty] }
roles:
  empty: []
  unused: [{ allow: ['*'] }]
`);
    expect(lintPolicy(policy)).toMatchObject([
      { code: "principal-powerless" },
      { code: "role-empty", role: "empty" },
      { code: "role-unused", role: "unused" },
    ]);
  });
  test("finds a rule that a stricter one covers, with its place", async () => {
    const policy = await rulesOf(
      "- allow: [fs.read]\n  on: ['fs:workspace/a/b']\n- deny: [fs.*]\n  on: ['fs:workspace/a/**']",
    );
    expect(lintPolicy(policy)).toMatchObject([
      { code: "rule-shadowed", level: "warning", role: "tester", file: "config.yaml", line: 8 },
    ]);
  });
  test.each([
    ["with a condition", "- allow: [exec.run]\n- deny: [exec.run]\n  when: { cwd: [/x] }"],
    ["on other resources", "- allow: [fs.read]\n- deny: [fs.read]\n  on: ['fs:data/**']"],
    ["of other operations", "- allow: [fs.*]\n- deny: [fs.rm]"],
    ["that is milder", "- allow: [fs.read]\n- ask: [fs.read]\n  on: ['fs:data/**']"],
  ])("does not call a rule shadowed by one %s", async (_what, rules) => {
    expect(await codesOf(rules)).not.toContain("rule-shadowed");
  });
  test("finds a rule that repeats another, once", async () => {
    const codes = await codesOf(
      "- allow: [fs.*]\n  on: ['fs:workspace/**']\n- allow: [fs.read]\n  on: ['fs:workspace/*.ts']\n- allow: [fs.*]\n  on: ['fs:workspace/**']",
    );
    expect(codes).toEqual(["rule-repeated", "rule-repeated"]);
  });
  test("notes a rule about operations its role never allows", async () => {
    expect(await codesOf("- allow: [fs.read]\n- deny: [fs.rm]")).toEqual(["rule-never-matches"]);
  });
  test("warns of globs that look like another language", async () => {
    const codes = await codesOf("- allow: [fs.*]\n  on: ['fs:workspace/{a,b}/**']");
    expect(codes).toEqual(["glob-suspicious"]);
  });
  test("says what a rule cannot promise", async () => {
    const policy = await rulesOf(
      "- allow: [exec.run]\n- deny: [exec.run]\n  when: { argv: [[rm]] }",
    );
    expect(lintPolicy(policy)).toMatchObject([{ code: "cannot-promise", level: "note" }]);
  });
});
