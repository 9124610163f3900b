import { expect, test } from "bun:test";
import { fakeCaller } from "../../../test/fake_call.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { capabilityCapability } from "./capability.ts";

const described = (id: string, examples: OperationDescription["examples"] = []) =>
  ({ id, capability: id.split(".")[0], effect: "read", summary: id, examples }) as never;

const registry = {
  describe: () => [
    described("fs.read"),
    described("fs.write"),
    described("exec.run", [
      { name: "fails", input: { argv: ["x"] }, error: "not_found" },
      { name: "runs", input: { command: "true" } },
    ]),
  ],
};

function caller(asked: unknown[] = []) {
  const policy = {
    authority: (principal: string) => {
      asked.push(principal);
      return [
        {
          operation: "fs.read",
          allow: ["fs:workspace/**"],
          ask: [],
          deny: ["fs:workspace/secrets/**"],
        },
        { operation: "fs.write", allow: ["*"], ask: [], deny: ["*"] },
        { operation: "exec.run", allow: [], ask: ["exec:default"], deny: [] },
      ];
    },
    explain: async (question: unknown) => {
      asked.push(question);
      return { verdict: "allow" as const, reason: "allowed", explanation: "Yes" };
    },
  };
  return fakeCaller(capabilityCapability, { services: { registry, policy } });
}

test("capability.list shows what the caller may do, as policy says it", async () => {
  const asked: unknown[] = [];
  const { output } = await caller(asked)("list");
  expect(asked).toEqual(["ed25519:tester"]);
  expect(output).toMatchObject({
    operations: [
      { id: "fs.read", verdict: "allow", except: ["fs:workspace/secrets/**"] },
      { id: "exec.run", verdict: "ask", resources: ["exec:default"] },
    ],
  });
});

test("capability.list shows what is refused only when asked for all", async () => {
  const { output } = await caller()("list", { all: true, capability: "fs" });
  expect(output).toMatchObject({
    operations: [{ id: "fs.read" }, { id: "fs.write", verdict: "deny" }],
  });
});

test("capability.explain asks about the resource, the action and the path", async () => {
  const asked: unknown[] = [];
  const call = caller(asked);
  await call("explain", { resource: "fs:workspace", action: "read", path: "/" });
  await call("explain", { resource: "fs:workspace/", action: "fs.read", path: "a/b" });
  await call("explain", { resource: "exec:default", action: "run" });
  const principal = "ed25519:tester";
  const fs = { principal, operation: "fs.read", input: undefined };
  expect(asked).toEqual([
    { ...fs, resources: ["fs:workspace/"] },
    { ...fs, resources: ["fs:workspace/a/b"] },
    { principal, operation: "exec.run", input: undefined, resources: ["exec:default"] },
  ]);
});

test("capability.explain takes a timeout as part of an example's input", async () => {
  const asked: unknown[] = [];
  await caller(asked)("explain", { resource: "exec:default", action: "run", timeout_secs: 900 });
  expect(asked).toMatchObject([{ input: { command: "true", timeout_secs: 900 } }]);
});

test("capability.explain reports an operation that does not exist", async () => {
  const call = caller()("explain", { resource: "fs:workspace", action: "fly" });
  expect(call).rejects.toMatchObject({ code: "capability.unknown", data: { operation: "fs.fly" } });
});

test("capability.explain takes no principal: it answers about the caller only", () => {
  const { explain } = capabilityCapability.operations;
  const asked = { resource: "fs:workspace", action: "read" };
  expect(explain.input.safeParse({ ...asked, principal: "root" }).success).toBeFalse();
  expect(explain.input.safeParse({ ...asked, resource: "../etc" }).success).toBeFalse();
  expect(explain.input.safeParse({ ...asked, action: "Read; rm" }).success).toBeFalse();
});
