import { expect, test } from "bun:test";
import { fakeCaller } from "../../../test/fake_call.ts";
import { policyCapability } from "./capability.ts";

const row = { name: "a", ok: true, expected: "deny", actual: "deny", reason: "no-matching-rule" };

test("policy.test passes a table's result on and exits with 1 when a case fails", async () => {
  for (const failed of [0, 2]) {
    const policy = { test: async () => ({ passed: 1, failed, cases: [row] }) };
    const call = fakeCaller(policyCapability, { services: { policy } });
    const { output } = await call("test", { table: "cases: []" });
    expect(output).toEqual({ passed: 1, failed, cases: [row], exit_code: failed === 0 ? 0 : 1 });
  }
});

test("policy.explain asks about the principal, operation and input it is given", async () => {
  const asked: unknown[] = [];
  const decision = {
    verdict: "deny" as const,
    reason: "denied-by-rule",
    rule: { role: "operator", index: 2, file: "config.yaml", line: 41 },
    resource: "exec:default",
    operation: "exec.run",
    explanation: "Denied by role operator, rule 3",
  };
  const explain = async (question: unknown) => {
    asked.push(question);
    return decision;
  };
  const call = fakeCaller(policyCapability, { services: { policy: { explain } } });
  const question = { principal: "ci", operation: "exec.run", input: { argv: ["make"] } };
  expect((await call("explain", question)).output).toMatchObject({ decision });
  expect(asked).toEqual([question]);
});

test("policy.show passes the policy on", async () => {
  const policy = { show: () => ({ roles: {} }) };
  const call = fakeCaller(policyCapability, { services: { policy } });
  expect((await call("show")).output).toEqual({ policy: { roles: {} } });
});

test("policy operations refuse what is no operation, principal or table", () => {
  const { explain, test: table } = policyCapability.operations;
  for (const operation of ["fs", "fs.*", "*", "FS.read", "fs.read.more", ""]) {
    expect(explain.input.safeParse({ principal: "a", operation }).success).toBeFalse();
  }
  expect(explain.input.safeParse({ principal: "", operation: "fs.read" }).success).toBeFalse();
  expect(table.input.safeParse({ table: "" }).success).toBeFalse();
  expect(table.input.safeParse({ table: "x".repeat(300_000) }).success).toBeFalse();
});
