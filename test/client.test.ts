// A machine that only calls others, from nothing to its first call, by the commands its user types.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { operatorPolicy, TestNode } from "./harness/mesh.ts";

const main = join(dirname(import.meta.dir), "src/main.ts");

test("a client joins a node, calls it, and finds nothing wrong with either", async () => {
  const policy = (own: string) => `${operatorPolicy(own)}
    looker:
      - allow: [fs.list, node.info]`;
  await using host = await TestNode.start({ name: "host", policy });
  const folder = mkdtempSync(join(tmpdir(), "operon-client-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const run = async (...words: readonly string[]) => {
    const child = Bun.spawn([process.execPath, main, "--home", join(folder, "home"), ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { stdout, stderr, code: await child.exited };
  };
  const onboard = ["onboard", "--yes", "--role", "client", "--node-id", "laptop"];
  expect(await run(...onboard)).toMatchObject({ stderr: "", code: 0 });
  const { output } = await host.call("local", "node.invite", { roles: ["looker"] });
  const joined = await run("node", "join", (output as { code: string }).code);
  expect(joined).toMatchObject({ stderr: "", code: 0 });
  expect((await run("node", "list")).stdout).toMatch(/^host +/m);
  expect((await run("fs", "list", "host:/")).code).toBe(0);
  const { stdout } = await run("doctor");
  expect(stdout).toContain("host");
  // Nothing of its own is to be had, by its own key either.
  expect((await run("exec", "run", "local", "--", "true")).code).not.toBe(0);
  expect((await run("fs", "list", "local:/")).code).not.toBe(0);
});
