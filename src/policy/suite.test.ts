import { describe, expect, test } from "bun:test";
import { compilePolicy } from "./compile.ts";
import { CAVEATS, codeOf, KEYS, OPERATIONS, rulesOf } from "./policy.fixture.ts";
import { PolicySchema } from "./schema.ts";
import { runSuite, type SuiteOptions } from "./suite.ts";

const OPTIONS: SuiteOptions = {
  file: "table.yaml",
  compile: (section, locate) =>
    compilePolicy(PolicySchema.strip().parse(section), {
      caveats: CAVEATS,
      operations: OPERATIONS,
      locate,
    }),
  bind: (_operation, input, policy) => ({
    accesses: [{ resource: policy.mounts.resourceOf(String(input.path)) }],
    facts: { bound: true },
  }),
};

const POLICY = `
policy:
  mounts: [{ name: workspace, path: /w }]
  principals:
    alice: { key: "${KEYS.alice}", roles: [tester] }
  exec: { roots: [/] }
  roles:
    tester:
      - allow: [fs.read]
        name: reading
      - ask: [exec.run]
      - allow: [fs.write]
        when: { rate: { calls: 2, per_secs: 60 } }
      - allow: [audit.list]
        when: { time: { days: [sat] } }
`;

const run = (cases: string, options = OPTIONS) => runSuite(`${POLICY}cases:\n${cases}`, options);
const one = async (fields: string, options = OPTIONS) =>
  (await run(`  - { name: n, ${fields} }`, options))[0]!;
const READ = "principal: alice, operation: fs.read, resource: 'fs:workspace/a'";

describe("runSuite()", () => {
  test("passes a case that expects what is decided", async () => {
    expect(await one(`${READ}, expect: allow`)).toEqual({
      name: "n",
      ok: true,
      expected: "allow",
      actual: "allow",
      reason: "allowed",
      rule: 'role tester, rule 1 "reading" (table.yaml:9)',
    });
  });
  test.each([
    ["another verdict", "expect: deny"],
    ["another reason", "expect: allow, reason: denied-by-rule"],
    ["another rule", "expect: allow, rule: tester/2"],
    ["a rule of another role", "expect: allow, rule: operator/1"],
  ])("fails a case that expects %s", async (_what, expected) => {
    expect((await one(`${READ}, ${expected}`)).ok).toBe(false);
  });
  test.each(["reading", "tester/1"])("knows the rule %s", async (rule) => {
    expect((await one(`${READ}, expect: allow, rule: ${rule}`)).ok).toBe(true);
  });
  test("fails a case that expects a rule where none decided", async () => {
    const result = await one(
      "principal: alice, operation: fs.rm, resource: 'fs:workspace/a', expect: deny, rule: tester/1",
    );
    expect(result).toMatchObject({ ok: false, actual: "deny" });
    expect(result.rule).toBeUndefined();
  });
  test("binds an input to resources", async () => {
    const at = "principal: alice, operation: fs.read, input: { path: /x }";
    expect((await one(`${at}, expect: allow`)).ok).toBe(true);
    const { bind, ...unbound } = OPTIONS;
    expect(bind).toBeDefined();
    expect(await one(`${at}, expect: deny`, unbound)).toMatchObject({ ok: false, actual: "error" });
  });
  test("does not take an input that cannot be bound for a refusal", async () => {
    const fields = "principal: alice, operation: fs.read, input: { path: /../x }, expect: deny";
    expect(await one(fields)).toMatchObject({ ok: false, actual: "error" });
  });
  test("takes the moment and the usage from the case", async () => {
    const audit = "principal: alice, operation: audit.list, resource: 'audit:*'";
    expect((await one(`${audit}, expect: deny, reason: time-not-allowed`)).ok).toBe(true);
    expect((await one(`${audit}, at: "2026-01-10T10:00:00Z", expect: allow`)).ok).toBe(true);
    const write = "principal: alice, operation: fs.write, resource: 'fs:workspace/a'";
    expect((await one(`${write}, expect: allow`)).ok).toBe(true);
    expect((await one(`${write}, used: { calls: 2 }, expect: deny`)).reason).toBe("rate-exceeded");
  });
  test("takes several accesses, some as another operation", async () => {
    const fields =
      "principal: alice, operation: fs.read, resources: ['fs:workspace/a', { resource: 'fs:workspace/a', as: fs.rm }]";
    expect((await one(`${fields}, expect: deny`)).ok).toBe(true);
  });
  test("takes an unknown principal for a stranger", async () => {
    const fields = "principal: somebody-else, operation: fs.read, resource: 'fs:workspace/a'";
    expect((await one(`${fields}, expect: deny, reason: principal-unknown`)).ok).toBe(true);
  });
  test("fails a case with a misspelt principal, though it is denied as expected", async () => {
    const fields = "principal: alcie, operation: fs.read, resource: 'fs:workspace/a', expect: deny";
    const result = await one(fields);
    expect(result).toMatchObject({ ok: false, actual: "error" });
    expect(result.reason).toContain("Did you mean alice?");
  });
  test("fails a case with a misspelt operation, though it is denied as expected", async () => {
    const fields = "principal: alice, operation: fs.reed, resource: 'fs:workspace/a', expect: deny";
    expect((await one(fields)).ok).toBe(false);
    expect((await one(`${fields}, reason: unsupported-action`)).ok).toBe(true);
  });
  test("needs no home folder for mounts below one", async () => {
    const text = POLICY.replace("path: /w", "path: ~/w");
    const results = await runSuite(`${text}cases: [{ name: n, ${READ}, expect: allow }]`, OPTIONS);
    expect(results[0]?.ok).toBe(true);
  });
  test("decides by the policy handed in when the table holds none", async () => {
    const policy = await rulesOf("- allow: [fs.read]");
    const text = `cases: [{ name: n, ${READ}, expect: allow }]`;
    expect((await runSuite(text, { ...OPTIONS, policy }))[0]?.ok).toBe(true);
    expect(await codeOf(runSuite(text, OPTIONS))).toBe("policy.suite_invalid");
  });
  test.each([
    ["no cases", "cases: []"],
    ["no list of cases", "{}"],
    ["an unknown key", `cases: [{ name: n, ${READ}, expect: allow, expects: deny }]`],
    ["no expectation", `cases: [{ name: n, ${READ} }]`],
    ["an impossible expectation", `cases: [{ name: n, ${READ}, expect: allowed }]`],
    [
      "a moment without a zone",
      `cases: [{ name: n, ${READ}, at: "2026-01-10T10:00", expect: deny }]`,
    ],
    ["a misspelt section", `policy: { rols: {} }\ncases: [{ name: n, ${READ}, expect: deny }]`],
    [
      "a rule that is wrong",
      `policy: { roles: { a: [{}] } }\ncases: [{ name: n, ${READ}, expect: deny }]`,
    ],
    ["nothing", ""],
  ])("refuses a table with %s", async (_what, text) => {
    expect(await codeOf(runSuite(text, OPTIONS))).toBe("policy.suite_invalid");
  });
  test("says where the table's policy is wrong", async () => {
    const text = POLICY.replace("[fs.read]", "[fs.reed]");
    expect(
      runSuite(`${text}cases: [{ name: n, ${READ}, expect: allow }]`, OPTIONS),
    ).rejects.toThrow("table.yaml:9: The operation fs.reed");
  });
});

test("a table gives others their turn between its cases", async () => {
  let turns = 0;
  let isOver = false;
  const other = () => {
    turns++;
    if (!isOver) setImmediate(other);
  };
  setImmediate(other);
  const row =
    "  - { name: n, principal: alice, operation: fs.read, resource: fs:w/a, expect: deny }\n";
  await run(row.repeat(20));
  isOver = true;
  expect(turns).toBeGreaterThanOrEqual(20);
});

test("a table with a resource longer than any path is refused", async () => {
  const resource = `fs:w/${"a".repeat(5000)}`;
  await expect(
    one(`principal: alice, operation: fs.read, resource: "${resource}", expect: deny`),
  ).rejects.toMatchObject({ code: "policy.suite_invalid" });
});

describe("a case that costs more than a moment is refused", () => {
  const costly = (rules: string, row: string) => `
policy:
  mounts: [{ name: w, path: /w }]
  principals: { alice: { key: "${KEYS.alice}", roles: [tester] } }
  roles:
    tester: ${rules}
cases:
  - { name: before, principal: bob, operation: fs.read, resource: fs:w/a, expect: deny }
  - { name: costly, principal: alice, ${row}, expect: deny }
`;
  const globs = (count: number) =>
    JSON.stringify(
      Array.from({ length: count }, (_, at) => `fs:w/${"*?".repeat(400)}${"b".repeat(at)}`),
    );
  const texts = (count: number) =>
    JSON.stringify(Array.from({ length: count }, () => `fs:w/${"a".repeat(4000)}`));

  test.each([
    [
      "many long globs and resources",
      `[{ deny: [fs.read], on: ${globs(60)} }]`,
      `operation: fs.read, resources: ${texts(30)}`,
    ],
    [
      "globs named again and again",
      `[{ deny: [fs.read], on: &globs ${globs(20)} }${", { deny: [fs.read], on: *globs }".repeat(20)}]`,
      `operation: fs.read, resources: ${texts(5)}`,
    ],
    [
      "long conditions and facts",
      `[{ allow: [exec.run], when: { argv: [[make, "${"*a".repeat(4000)}"]] } }]`,
      `operation: exec.run, resource: exec:default, facts: { argv: [make, "${"a".repeat(8000)}"] }`,
    ],
  ])("%s", async (_what, rules, row) => {
    const startMs = performance.now();
    const text = costly(rules, row);
    expect(await codeOf(runSuite(text, OPTIONS))).toBe("policy.suite_too_costly");
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test("but not one of a large policy that somebody would write", async () => {
    const rules = Array.from({ length: 2000 }, (_, at) => ({
      allow: ["fs.read"],
      on: [`fs:w/project-${at}/**/*.ts`, `fs:w/project-${at}/docs/**`],
    }));
    const row = `operation: fs.read, resources: ["fs:w/project-7/src/${"x/".repeat(100)}a.rs"]`;
    const results = await runSuite(costly(JSON.stringify(rules), row), OPTIONS);
    expect(results[1]).toMatchObject({ ok: true, reason: "no-matching-rule" });
  });

  test("and a table ends where its call does", async () => {
    const options = { ...OPTIONS, signal: AbortSignal.abort(new Error("gone")) };
    await expect(run(`  - { name: n, ${READ}, expect: allow }`, options)).rejects.toThrow("gone");
  });
});
