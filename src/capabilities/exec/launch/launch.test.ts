// A machine on which launch.c cannot be compiled: other tests of commands run where it can.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canRestrictCommands } from "./launch.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-launch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a script in a process that finds something else than C in launch.c; gives what it printed. */
async function withoutCompiler(script: string): Promise<string> {
  const preload = join(folder, "preload.ts");
  writeFileSync(
    preload,
    `Bun.plugin({ name: "no C", setup(build) {
      build.onLoad({ filter: /launch\\.c$/ }, () => ({ exports: { default: "no C" }, loader: "object" }));
    } });`,
  );
  const bench = JSON.stringify(join(import.meta.dir, "../exec.fixture.ts"));
  const text = `
    const { Bench } = await import(${bench});
    const run = async (settings, input) => {
      using bench = new Bench({ roots: ["/"], ...settings });
      const { output, text } = await bench.run(input).catch(({ code }) => ({ output: code, text: "" }));
      console.log(JSON.stringify([output.protection ?? output, output.limits_enforced, output.exit_code, output.signal, text]));
    };
    ${script}
    process.exit(0);`;
  const words = [process.execPath, "--preload", preload, "-e", text];
  const child = Bun.spawn(words, { stdout: "pipe", stderr: "inherit", stdin: "ignore" });
  return await new Response(child.stdout).text();
}

const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

// Landlock, mount namespaces and control groups are Linux's: elsewhere commands run unprotected, and say so.
describe.skipIf(process.platform !== "linux")("where launch.c cannot be compiled", () => {
  test("attack 23: commands run unprotected and say so, if policy leaves it open", async () => {
    const ran = await withoutCompiler(`
      await run({}, { command: "echo out; exit 3" });
      await run({ protect: "off" }, { command: "kill -9 $$" });
      await run({}, { argv: ["no-such-command"] });`);
    expect(lines(ran)).toEqual([
      ["none", {}, 3, null, "out\n"],
      ["none", {}, 137, "SIGKILL", ""],
      ["exec.not_found", null, null, null, ""],
    ]);
  });

  test("attack 23: commands do not run, if policy requires protection or sets limits", async () => {
    const ran = await withoutCompiler(`
      await run({ protect: "required" }, { command: "echo out" });
      await run({ limits: { pids: 100 } }, { command: "echo out" });
      await run({ protect: "off", limits: { file_bytes: 1000 } }, { command: "echo out" });`);
    for (const [code] of lines(ran)) expect(code).toBe("exec.protection_unavailable");
    expect(lines(ran)).toHaveLength(3);
  });

  test("attack 24: what a command started is ended with it", async () => {
    const ran = await withoutCompiler(`
      await run({}, { command: "sleep 0.2; (setsid sleep 600 &); sleep 600", timeout_secs: 1 });
      const left = Bun.spawnSync(["sh", "-c", "grep -l sleep /proc/[0-9]*/comm | cut -d/ -f3"]).stdout.toString().split("\\n").filter(Boolean);
      const { childrenOf, threadsOf } = await import(${JSON.stringify(join(import.meta.dir, "../process_table.ts"))});
      console.log(JSON.stringify(childrenOf(process.pid, threadsOf(process.pid)).filter((pid) => left.includes(String(pid)))));`);
    expect(lines(ran)).toEqual([["none", {}, 124, "SIGTERM", ""], []]);
  });
});

test("launch.c compiles here, without the files of a compiler", () => {
  expect(canRestrictCommands()).toBe(process.platform === "linux");
});
