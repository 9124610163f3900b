import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCaller } from "../src/caller.ts";
import { systemClock } from "../src/clock.ts";
import { collect, TestHome, TestNode } from "./harness/mesh.ts";

/** A home whose log was written by a daemon and then lost its last entries. */
async function truncatedHome(): Promise<TestHome> {
  const test = new TestHome({ name: "a" });
  const node = await TestNode.start(test);
  for (let index = 0; index < 20; index++) await node.call("local", "fs.stat", { path: "/" });
  await node.stop();
  const segment = readdirSync(test.home.audit_path).find((name) =>
    /^\d+\.jsonl$/.test(name),
  ) as string;
  const path = join(test.home.audit_path, segment);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  writeFileSync(path, `${lines.slice(0, -5).join("\n")}\n`);
  return test;
}

test("attack 34: a daemon refuses to start on a log that was cut, and says what to do", async () => {
  using test = await truncatedHome();
  const failed = await TestNode.start(test).catch((error) => error);
  expect(failed.code).toBe("audit.truncated");
  expect(failed.hint).toContain("audit verify");
});

test("attack 34: verify works on a damaged log without a daemon, and everything else is refused", async () => {
  using test = await truncatedHome();
  await using caller = await openCaller({
    home: test.home,
    configPath: test.home.config_path,
    clock: systemClock,
    identity: undefined,
    notice: () => {},
  });
  const verified = await collect(caller, { node: "local", operation: "audit.verify", input: {} });
  expect(verified.output).toMatchObject({ ok: false, exit_code: 1 });
  const [problem] = (verified.output as { problems: { kind: string; sequence: number }[] })
    .problems;
  expect(problem?.kind).toBe("truncated");
  const calls = [
    ["fs.stat", { path: "/" }],
    ["fs.mkdir", { path: "/new" }],
    ["exec.run", { argv: ["true"] }],
  ] as const;
  for (const [operation, input] of calls) {
    const refused = await collect(caller, { node: "local", operation, input });
    expect(refused.error?.code).toBe("audit.truncated");
  }
});
