import { expect, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { VerbBench } from "./config_verbs.fixture.ts";

async function onboarded(): Promise<VerbBench> {
  const bench = new VerbBench();
  await bench.run("onboard", { globals: { yes: true, quiet: true } });
  return bench;
}

function edit(bench: VerbBench, change: (text: string) => string): void {
  writeFileSync(bench.config, change(readFileSync(bench.config, "utf8")));
}

test("config explain says where values come from, who may do what, and who can connect", async () => {
  using bench = await onboarded();
  const { code, stdout } = await bench.run("config explain");
  expect(code).toBe(0);
  expect(stdout).toContain("nothing is wrong");
  expect(stdout).toMatch(/daemon\.listen +127\.0\.0\.1:7789 +\(config\.yaml:\d+\)/);
  expect(stdout).toMatch(/policy\.exec\.shell +\/bin\/sh +\(default\)/);
  expect(stdout).toContain("Listens on 127.0.0.1:7789: only this machine can reach it");
  expect(stdout).toMatch(/local \(this machine\): operator \(config\.yaml:\d+\)/);
  expect(stdout).toMatch(/1\. allow node\.\*.* \(config\.yaml:\d+\)/);
  expect(stdout).toContain(`/ is ${bench.workspace}, read, write`);
  expect(stdout).toMatch(/key +ok +0600/);
});

test("config explain tells what a rule cannot promise", async () => {
  using bench = await onboarded();
  expect((await bench.run("config explain")).stdout).toContain("cannot stop a role that may run");
});

test("config explain exits with 1 and names file, line and hint when something is wrong", async () => {
  using bench = await onboarded();
  edit(bench, (text) => text.replace("  principals:", "  principls:"));
  const { code, stdout } = await bench.run("config explain");
  expect(code).toBe(1);
  expect(stdout).toContain("something is wrong");
  expect(stdout).toMatch(
    /policy\.principls: unknown key at config\.yaml:\d+, did you mean principals\?/,
  );
});

test("config explain finds an unknown operation in a rule", async () => {
  using bench = await onboarded();
  edit(bench, (text) => text.replace("allow: [node.*", "allow: [nod.*"));
  const { code, stdout } = await bench.run("config explain", { globals: { json: true } });
  expect(code).toBe(1);
  const report = JSON.parse(stdout);
  expect(report.problems[0]).toMatchObject({ level: "error", code: "policy.operation_unknown" });
  expect(report.problems[0].line).toBeNumber();
});

test("attack 33: config explain reports key, home and configuration that others can get at", async () => {
  using bench = await onboarded();
  chmodSync(bench.key, 0o640);
  chmodSync(bench.config, 0o666);
  const { code, stdout } = await bench.run("config explain");
  expect(code).toBe(1);
  expect(stdout).toContain(`chmod 600 ${bench.key}`);
  expect(stdout).toContain(`chmod 600 ${bench.config}`);
});

test("config explain reports a workspace that is gone", async () => {
  using bench = await onboarded();
  rmSync(bench.workspace, { recursive: true });
  const { code, stdout } = await bench.run("config explain");
  expect(code).toBe(1);
  expect(stdout).toContain(`${bench.workspace} does not exist`);
});

test("config explain works before anything exists, and names the first step", async () => {
  using bench = new VerbBench();
  const { code, stdout } = await bench.run("config explain");
  expect(code).toBe(1);
  expect(stdout).toContain("operon onboard");
});

test("attack 27: what a configuration says cannot steer the terminal", async () => {
  using bench = await onboarded();
  edit(bench, (text) =>
    text.replace("name: destructive commands", 'name: "\\e[2J\\e]0;x\\a\\u202e"'),
  );
  const { stdout } = await bench.run("config explain");
  expect(stdout).toContain("\\x1b[2J");
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

test("config explain --quiet only has an exit code", async () => {
  using bench = await onboarded();
  const result = await bench.run("config explain", { globals: { quiet: true } });
  expect(result).toEqual({ code: 0, stdout: "", stderr: "", error: undefined });
});
