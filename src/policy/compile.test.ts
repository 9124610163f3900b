import { describe, expect, test } from "bun:test";
import type { OperonError } from "../error.ts";
import { KeyPair, PublicKey } from "../identity/key.ts";
import { formatAuthorizedKey } from "../identity/ssh_key.ts";
import { ask, codeOf, KEYS, policyOf, rulesOf } from "./policy.fixture.ts";

const principals = (text: string) => policyOf(`principals:\n${text}\nroles:\n  tester: []\n`);

async function errorOf(promise: Promise<unknown>): Promise<OperonError> {
  return promise.then(
    () => {
      throw new Error("nothing was thrown");
    },
    (thrown) => thrown,
  );
}

describe("compilePolicy()", () => {
  test("accepts an ssh key as a principal and gives it the same id", async () => {
    const line = formatAuthorizedKey(PublicKey.parse(KEYS.bob), "bob@host");
    const policy = await principals(`  bob: { ssh: "${line}", roles: [tester] }`);
    expect(policy.principals.get(KEYS.bob)?.name).toBe("bob");
  });

  test("refuses an unknown role, with place and nearest name", async () => {
    const error = await errorOf(principals(`  bob: { key: "${KEYS.bob}", roles: [testr] }`));
    expect(error.code).toBe("policy.role_unknown");
    expect(error.message).toStartWith("config.yaml:2: Principal bob has the role testr");
    expect(error.hint).toBe("Did you mean tester?");
  });

  test("refuses two principals with one key, also when spelt differently", async () => {
    const line = formatAuthorizedKey(PublicKey.parse(KEYS.bob), "");
    const two = `  bob: { key: "${KEYS.bob}", roles: [] }\n  eve: { ssh: "${line}", roles: [] }`;
    const error = await errorOf(principals(two));
    expect(error.code).toBe("policy.key_duplicate");
    expect(error.message).toStartWith("config.yaml:3: Principals bob and eve");
  });

  test.each([
    ["cut short", `key: "${KEYS.bob.slice(0, -1)}"`],
    ["in upper case", `key: "${KEYS.bob.toUpperCase()}"`],
    ["all zero", `key: "ed25519:${"a".repeat(52)}"`],
    ["of another kind", `key: "x25519:${KEYS.bob.slice(8)}"`],
    ["an RSA line", 'ssh: "ssh-rsa AAAAB3NzaC1yc2E="'],
    ["an ssh line without its key", 'ssh: "ssh-ed25519"'],
    ["a line of authorized_keys with options", `ssh: "no-pty ssh-ed25519 AAAA"`],
  ])("refuses a key that is %s", async (_what, key) => {
    expect(await codeOf(principals(`  bob: { ${key}, roles: [] }`))).toBe("policy.key_invalid");
  });

  test.each([
    ["fs.reed", "Did you mean fs.read?"],
    ["sf.*", "Did you mean fs.*?"],
    ["fs.r*", undefined],
    ["*.read", undefined],
    ["fs", undefined],
    ["FS.read", "Did you mean fs.read?"],
  ])("refuses the operation %s", async (pattern, hint) => {
    const error = await errorOf(rulesOf(`- deny: ["${pattern}"]`));
    expect(error.code).toBe("policy.operation_unknown");
    expect(error.message).toStartWith("config.yaml:8: ");
    if (hint) expect(error.hint).toBe(hint);
  });

  test("expands patterns to the operations of the node", async () => {
    const policy = await rulesOf("- allow: [fs.*, audit.list]");
    expect(policy.roles.get("tester")?.[0]?.operations).toEqual([
      "fs.read",
      "fs.write",
      "fs.rm",
      "fs.copy",
      "audit.list",
    ]);
  });

  test.each([
    ["no scheme", "/src/**"],
    ["an exclamation mark", "!fs:workspace/**"],
    ["a bare name", "workspace"],
    ["a mount that is not there", "fs:workspce/**"],
    ["a mount that is not there, alone", "fs:nothing"],
    ["a slash at the end", "fs:workspace/secrets/"],
    ["two slashes", "fs:workspace//secrets"],
    ["two slashes further down", "fs:workspace/a//secrets/**"],
    ["a dot", "fs:workspace/./secrets/**"],
    ["dot dot", "fs:workspace/a/../secrets"],
    ["dot dot at the end", "fs:workspace/a/.."],
  ])("refuses a resource with %s", async (_what, glob) => {
    expect(await codeOf(rulesOf(`- deny: [fs.*]\n  on: ["${glob}"]`))).toBe(
      "policy.resource_invalid",
    );
  });

  test.each([
    "fs:*/x",
    "*",
    "**",
    "fs:**",
    "secret:*",
    "exec:default",
    "fs:workspace",
    "fs:workspace/",
    "fs:workspace/.env",
    "fs:*/a.",
    "fs:workspace/...",
    "fs:workspace/a/**/.git/**",
  ])("accepts the resource %s", async (glob) => {
    expect(await codeOf(rulesOf(`- deny: ['*']\n  on: ["${glob}"]`))).toBe("none");
  });

  test("refuses a condition nobody knows, with the nearest name", async () => {
    const error = await errorOf(rulesOf("- deny: [exec.run]\n  when: { argvs: [[rm]] }"));
    expect(error.code).toBe("policy.caveat_unknown");
    expect(error.message).toStartWith("config.yaml:9: ");
    expect(error.hint).toBe("Did you mean argv?");
  });

  test.each([
    ["constructor", "policy.caveat_unknown"],
    ["toString", "policy.caveat_unknown"],
    ["__proto__", "policy.yaml_invalid"],
  ])("refuses the condition %s", async (name, code) => {
    const rules = `- allow: [exec.run]\n  when: { ${name}: [[rm]] }`;
    expect(await codeOf(rulesOf(rules))).toBe(code);
  });

  test.each([
    ["alone", "- deny: [fs.rm]"],
    ["beside operations it does belong to", "- deny: [exec.run, fs.rm]"],
    ["with all operations", "- deny: ['*']"],
  ])("refuses a condition of another capability %s", async (_what, rule) => {
    expect(await codeOf(rulesOf(`${rule}\n  when: { argv: [[rm]] }`))).toBe(
      "policy.caveat_misplaced",
    );
  });

  test.each(["ask", "deny"])("refuses a rate on a rule that says %s", async (verdict) => {
    const rule = `- ${verdict}: [fs.*]\n  when: { rate: { calls: 1, per_secs: 1 } }`;
    expect(await codeOf(rulesOf(rule))).toBe("policy.caveat_misplaced");
  });

  test("refuses a condition with a value it does not take", async () => {
    const error = await errorOf(rulesOf("- allow: [exec.run]\n  when: { argv: [make] }"));
    expect(error.code).toBe("policy.caveat_invalid");
    expect(error.message).toContain("argv.0");
  });

  test("refuses mounts that contradict each other", async () => {
    const text = "mounts: [{ name: a, path: /a }, { name: b, path: /b }]\nroles: {}\n";
    expect(await codeOf(policyOf(text))).toBe("policy.mount_invalid");
  });

  test("reports every problem at once", async () => {
    const error = await errorOf(rulesOf("- allow: [fs.reed]\n- deny: [fs.*]\n  on: [src]"));
    expect(error.message).toContain("(and 1 more)");
    expect(error.data?.problems).toMatchObject([
      { code: "policy.operation_unknown", file: "config.yaml", line: 8 },
      { code: "policy.resource_invalid", file: "config.yaml", line: 10 },
    ]);
  });

  test("keeps the meters of rules apart, and those of one rule over a reload", async () => {
    const rules = `
- allow: [fs.read]
  when: { rate: { calls: 1, per_secs: 60 } }
- allow: [fs.write]
  when: { rate: { calls: 1, per_secs: 60 } }`;
    const keysOf = async (yaml: string) =>
      (await rulesOf(yaml)).roles.get("tester")?.map((rule) => rule.usage_key);
    const [first, second] = (await keysOf(rules)) ?? [];
    expect(first).not.toBe(second);
    expect((await keysOf(`- deny: [fs.rm]${rules}`))?.slice(1)).toEqual([first, second]);
  });

  test("compiles 1,000 rules and still finds each", async () => {
    const rules = Array.from(
      { length: 1000 },
      (_, i) => `- allow: [fs.read]\n  on: ["fs:workspace/d${i}/**"]`,
    );
    const policy = await rulesOf(rules.join("\n"));
    for (const i of [0, 1, 500, 999]) {
      const accesses = [{ resource: `fs:workspace/d${i}/x` }];
      expect(ask(policy, { accesses }).rule?.index).toBe(i);
    }
    expect(ask(policy, { accesses: [{ resource: "fs:workspace/d1000/x" }] }).verdict).toBe("deny");
  });

  test("does not share authority between principals with other keys", async () => {
    const policy = await policyOf(`
principals:
  bob: { key: "${KEYS.bob}", roles: [tester] }
roles:
  tester: [{ allow: ['*'] }]
`);
    const stranger = KeyPair.generate().publicKey.id;
    expect(ask(policy, { principal_id: stranger }).verdict).toBe("deny");
  });
});
