import { describe, expect, test } from "bun:test";
import { evaluate } from "./decide.ts";
import { ask, KEYS, policyOf, questionOf, rulesOf } from "./policy.fixture.ts";

const EVERYTHING = "- allow: ['*']";

describe("decide()", () => {
  test("allows when an allow rule matches, and names the rule with its line", async () => {
    const policy = await rulesOf("- deny: [fs.rm]\n- allow: [fs.*]\n  on: ['fs:workspace/**']");
    expect(ask(policy)).toEqual({
      verdict: "allow",
      reason: "allowed",
      rule: { role: "tester", index: 1, file: "config.yaml", line: 9 },
      resource: "fs:workspace/a.txt",
      operation: "fs.read",
      explanation: "role tester, rule 2 (config.yaml:9) allows fs.read on fs:workspace/a.txt",
    });
  });

  test("denies when no rule matches the operation", async () => {
    const decision = ask(await rulesOf("- allow: [exec.run]"));
    expect(decision).toMatchObject({ verdict: "deny", reason: "no-matching-rule" });
    expect(decision.rule).toBeUndefined();
  });

  test("denies when no rule matches the resource", async () => {
    const policy = await rulesOf("- allow: [fs.read]\n  on: ['fs:workspace/src/**']");
    expect(ask(policy).reason).toBe("no-matching-rule");
    expect(ask(policy, { accesses: [{ resource: "fs:workspace/srcs/x" }] }).verdict).toBe("deny");
    expect(ask(policy, { accesses: [{ resource: "fs:data/src/x" }] }).verdict).toBe("deny");
  });

  test.each([
    ["deny, ask, allow", ["- deny: [fs.*]", "- ask: [fs.*]", EVERYTHING]],
    ["allow, ask, deny", [EVERYTHING, "- ask: [fs.*]", "- deny: [fs.*]"]],
    ["allow, deny", [EVERYTHING, "- deny: [fs.read]"]],
  ])("deny beats the others in the order %s", async (_order, rules) => {
    expect(ask(await rulesOf(rules.join("\n")))).toMatchObject({
      verdict: "deny",
      reason: "denied-by-rule",
    });
  });

  test("ask beats allow in either order", async () => {
    for (const rules of [
      [EVERYTHING, "- ask: [fs.*]"],
      ["- ask: [fs.*]", EVERYTHING],
    ]) {
      expect(ask(await rulesOf(rules.join("\n")))).toMatchObject({
        verdict: "ask",
        reason: "approval-required",
      });
    }
  });

  test("a deny in one role beats an allow in another", async () => {
    const policy = await policyOf(`
principals:
  alice: { key: "${KEYS.alice}", roles: [open, closed] }
  bob: { key: "${KEYS.bob}", roles: [open] }
roles:
  open: [{ allow: ['*'] }]
  closed: [{ deny: [fs.read] }]
`);
    expect(ask(policy).verdict).toBe("deny");
    expect(ask(policy, { principal_id: KEYS.bob }).verdict).toBe("allow");
  });

  test("names the first of several rules that apply", async () => {
    const policy = await rulesOf(
      "- allow: [fs.*]\n  on: ['fs:workspace/**']\n- allow: ['*']\n- allow: [fs.read]\n  on: ['fs:workspace/a.txt']",
    );
    expect(ask(policy).rule?.index).toBe(0);
  });

  test("denies a key no principal has", async () => {
    const policy = await rulesOf(EVERYTHING);
    for (const id of [KEYS.bob, "alice", "", "__proto__", "constructor", `${KEYS.alice} `]) {
      expect(ask(policy, { principal_id: id }).reason).toBe("principal-unknown");
    }
  });

  test("attack 3: roles and names a client declares change nothing", async () => {
    const policy = await policyOf(`
principals:
  alice: { key: "${KEYS.alice}", roles: [nothing] }
roles:
  nothing: []
  operator: [{ allow: ['*'] }]
`);
    const claims = { roles: ["operator"], role: "operator", name: "root", principal: "operator" };
    expect(ask(policy, { ...claims, facts: claims }).verdict).toBe("deny");
    expect(ask(policy, { principal_id: KEYS.bob, ...claims, facts: claims }).reason).toBe(
      "principal-unknown",
    );
  });

  test("attack 5: a principal without a role may connect and may do nothing", async () => {
    const policy = await policyOf(`
principals:
  alice: { key: "${KEYS.alice}", roles: [] }
roles:
  operator: [{ allow: ['*'] }]
`);
    for (const operation of policy.operations.keys()) {
      expect(ask(policy, { operation }).reason).toBe("role-missing");
    }
  });

  test("denies an operation the node does not have", async () => {
    const policy = await rulesOf(EVERYTHING);
    for (const operation of ["fs.format", "__proto__", "", "fs", "fs.read "]) {
      expect(ask(policy, { operation }).reason).toBe("unsupported-action");
    }
  });

  test("denies a call that names no resource", async () => {
    expect(ask(await rulesOf(EVERYTHING), { accesses: [] }).reason).toBe("resource-missing");
  });
});

describe("decide() with several accesses", () => {
  const RULES = `
- allow: [fs.copy, fs.read, fs.write]
- deny: [fs.read]
  on: ["fs:workspace/secrets/**"]
- ask: [fs.write]
  on: ["fs:workspace/etc/**"]`;
  const copy = (from: string, to: string) => ({
    operation: "fs.copy",
    effect: "write" as const,
    accesses: [
      { resource: to },
      { resource: from, as: "fs.read" },
      { resource: to, as: "fs.write" },
    ],
  });

  test("allows when each is allowed", async () => {
    const decision = ask(await rulesOf(RULES), copy("fs:workspace/a", "fs:workspace/b"));
    expect(decision.verdict).toBe("allow");
  });
  test("denies when one is denied, and says which", async () => {
    const policy = await rulesOf(RULES);
    expect(ask(policy, copy("fs:workspace/secrets/k", "fs:workspace/b"))).toMatchObject({
      verdict: "deny",
      resource: "fs:workspace/secrets/k",
      operation: "fs.read",
    });
  });
  test("denies when one of them is asked about and a later one denied", async () => {
    const policy = await rulesOf(RULES);
    const decision = ask(policy, {
      accesses: [
        { resource: "fs:workspace/etc/x", as: "fs.write" },
        { resource: "fs:workspace/secrets/k" },
      ],
    });
    expect(decision.verdict).toBe("deny");
  });
  test("asks when one must be approved and none is denied", async () => {
    const decision = ask(await rulesOf(RULES), copy("fs:workspace/a", "fs:workspace/etc/b"));
    expect(decision).toMatchObject({ verdict: "ask", resource: "fs:workspace/etc/b" });
  });
  test("denies an access as an operation that does not exist", async () => {
    const decision = ask(await rulesOf(EVERYTHING), {
      accesses: [{ resource: "fs:workspace/a", as: "fs.nothing" }],
    });
    expect(decision.verdict).toBe("deny");
  });
});

describe("decide() with conditions", () => {
  const exec = (facts: Record<string, unknown>) => ({
    operation: "exec.run",
    effect: "execute" as const,
    accesses: [{ resource: "exec:default" }],
    facts,
  });

  test("allows when the condition holds and denies when it fails", async () => {
    const policy = await rulesOf("- allow: [exec.run]\n  when: { argv: [[make, '*']] }");
    expect(ask(policy, exec({ argv: ["make", "x"] })).verdict).toBe("allow");
    expect(ask(policy, exec({ argv: ["rm", "x"] }))).toMatchObject({
      verdict: "deny",
      reason: "exec-argv-denied",
    });
  });

  test("denies when a caveat is unknown", async () => {
    const allowing = await rulesOf("- allow: [exec.run]\n  when: { argv: [[make]] }");
    expect(ask(allowing, exec({})).verdict).toBe("deny");
    const denying = await rulesOf(`${EVERYTHING}\n- deny: [exec.run]\n  when: { argv: [[rm]] }`);
    expect(ask(denying, exec({})).reason).toBe("denied-by-rule");
  });

  test("asks when the caveat of an ask rule is unknown", async () => {
    const policy = await rulesOf(`${EVERYTHING}\n- ask: [exec.run]\n  when: { argv: [[rm]] }`);
    expect(ask(policy, exec({})).verdict).toBe("ask");
    expect(ask(policy, exec({ argv: ["ls"] })).verdict).toBe("allow");
  });

  test.each(["broken", "odd"])("takes a caveat that is %s for unknown", async (caveat) => {
    const allowing = await rulesOf(`- allow: [exec.run]\n  when: { ${caveat}: true }`);
    expect(ask(allowing, exec({})).verdict).toBe("deny");
    const denying = await rulesOf(`${EVERYTHING}\n- deny: [exec.run]\n  when: { ${caveat}: true }`);
    expect(ask(denying, exec({})).verdict).toBe("deny");
  });

  test("needs every condition of an allow rule, and skips a deny rule when one surely fails", async () => {
    const both = "when: { argv: [[make]], cwd: [/ci] }";
    const allowing = await rulesOf(`- allow: [exec.run]\n  ${both}`);
    expect(ask(allowing, exec({ argv: ["make"], cwd: "/ci" })).verdict).toBe("allow");
    expect(ask(allowing, exec({ argv: ["make"], cwd: "/x" })).reason).toBe("exec-cwd-denied");
    expect(ask(allowing, exec({ argv: ["make"] })).verdict).toBe("deny");
    const denying = await rulesOf(`${EVERYTHING}\n- deny: [exec.run]\n  ${both}`);
    expect(ask(denying, exec({ argv: ["ls"] })).verdict).toBe("allow");
    expect(ask(denying, exec({ argv: ["make"] })).verdict).toBe("deny");
  });

  test("says no-matching-rule when allow rules fail by different conditions", async () => {
    const policy = await rulesOf(`
- allow: [exec.run]
  when: { argv: [[make]] }
- allow: [exec.run]
  when: { cwd: [/ci] }`);
    const decision = ask(policy, exec({ argv: ["ls"], cwd: "/" }));
    expect(decision.reason).toBe("no-matching-rule");
    expect(decision.explanation).toContain("rule 1 (config.yaml:9) would, but its condition argv");
  });

  test("goes on to another allow rule when a condition fails", async () => {
    const policy = await rulesOf(`
- allow: [exec.run]
  when: { argv: [[make]] }
- allow: [exec.run]`);
    expect(ask(policy, exec({ argv: ["ls"] })).rule?.index).toBe(1);
  });
});

describe("decide() below a read-only mount", () => {
  test.each([
    ["fs.write", "write"],
    ["fs.rm", "destroy"],
  ] as const)("denies %s whatever rules allow", async (operation, effect) => {
    const policy = await rulesOf(EVERYTHING);
    const accesses = [{ resource: "fs:data/x" }];
    expect(ask(policy, { operation, effect, accesses }).reason).toBe("mount-read-only");
  });
  test("goes by the effect of the operation, not by what the question claims", async () => {
    const policy = await rulesOf(EVERYTHING);
    const question = { operation: "fs.rm", effect: "read", accesses: [{ resource: "fs:data/x" }] };
    expect(ask(policy, question as never).reason).toBe("mount-read-only");
  });
  test("allows reading, and copying out of it", async () => {
    const policy = await rulesOf(EVERYTHING);
    expect(ask(policy, { accesses: [{ resource: "fs:data/x" }] }).verdict).toBe("allow");
    const accesses = [{ resource: "fs:workspace/x" }, { resource: "fs:data/x", as: "fs.read" }];
    expect(ask(policy, { operation: "fs.copy", effect: "write", accesses }).verdict).toBe("allow");
  });
  test("a deny rule is named rather than the mount", async () => {
    const policy = await rulesOf(`${EVERYTHING}\n- deny: [fs.write]`);
    const accesses = [{ resource: "fs:data/x" }];
    expect(ask(policy, { operation: "fs.write", effect: "write", accesses }).reason).toBe(
      "denied-by-rule",
    );
  });
});

describe("evaluate()", () => {
  const METERED = "- allow: [fs.read]\n  when: { rate: { calls: 2, per_secs: 60 } }";

  test("names the keys to count under when a metered rule allows", async () => {
    const policy = await rulesOf(METERED);
    const asked: string[] = [];
    const { usage_keys, decision } = evaluate(
      policy,
      questionOf({
        usage: (key) => {
          asked.push(key);
          return { calls: 1, bytes: 0, seconds: 0 };
        },
      }),
    );
    expect(decision.verdict).toBe("allow");
    expect(usage_keys).toEqual(asked);
    expect(usage_keys[0]).toEndWith(KEYS.alice);
  });

  test("names each key once when several accesses use one rule", async () => {
    const policy = await rulesOf(METERED);
    const accesses = [{ resource: "fs:workspace/a" }, { resource: "fs:workspace/b" }];
    expect(evaluate(policy, questionOf({ accesses })).usage_keys).toHaveLength(1);
  });

  test("names none when the call is denied or the rule has no meter", async () => {
    const denied = await rulesOf(`${METERED}\n- deny: [fs.read]\n  on: ['fs:workspace/b']`);
    const accesses = [{ resource: "fs:workspace/a" }, { resource: "fs:workspace/b" }];
    expect(evaluate(denied, questionOf({ accesses })).usage_keys).toEqual([]);
    expect(evaluate(await rulesOf(EVERYTHING), questionOf()).usage_keys).toEqual([]);
  });

  test("denies with rate-exceeded when the rule is used up", async () => {
    const policy = await rulesOf(METERED);
    const usage = () => ({ calls: 2, bytes: 0, seconds: 0 });
    expect(ask(policy, { usage }).reason).toBe("rate-exceeded");
  });
});
