// Attack 27: what a node says of itself, in its log, to a command without a daemon, to a program, in a prompt.
// The texts come with the name of a folder: a home whose name holds what a terminal would obey.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { homeAt } from "../src/identity/home.ts";
import { TestHome } from "./harness/mesh.ts";
import { TypedTerminal } from "./harness/terminal.ts";

const root = dirname(import.meta.dir);
const operon = [process.execPath, join(root, "src/main.ts")];
const evil = "x\x1b]0;owned\x07\r\x9b2J\u202e\u2028";
const spelled = "x\\x1b]0;owned\\x07\\r\\x9b2J\\u202e\\u2028";
let own: TestHome;
let home: string;

beforeAll(() => {
  own = new TestHome({ name: "own" });
  home = join(own.folder, evil);
  renameSync(own.home.path, home);
  // Traces cannot be listed, which is no caller's fault: the node says so in its notices, with the path.
  writeFileSync(homeAt(home).traces_path, "", { mode: 0o600 });
});

afterAll(() => own[Symbol.dispose]());

/** Starts a program with a home that cannot be mistaken for the tester's. */
function start(argv: readonly string[]) {
  return Bun.spawn([...argv], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", HOME: own.folder },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

function expectHarmless(text: string): void {
  expect(text.replaceAll("\n", "")).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/);
}

test("attack 27: escapes in a notice of a command without a daemon are spelled out", async () => {
  const child = start([...operon, "--home", home, "trace", "list"]);
  const stderr = await new Response(child.stderr).text();
  expect(await child.exited).toBe(70);
  expect(stderr).toStartWith("operon: trace.list failed: ");
  expect(stderr).toContain(`${spelled}/traces`);
  expectHarmless(stderr);
});

test("attack 27: escapes in a line of the daemon's log are spelled out", async () => {
  const daemon = start([...operon, "--home", home, "daemon", "start"]);
  const logged = new Response(daemon.stderr).text();
  try {
    const { value: ready } = await daemon.stdout.getReader().read();
    expect(Buffer.from(ready ?? []).toString()).toStartWith("Node own ");
    const asking = start([...operon, "--home", home, "trace", "list"]);
    const answer = await new Response(asking.stderr).text();
    expect(answer).toContain("The node's own log has the details");
    expect(answer).not.toContain("/traces");
  } finally {
    daemon.kill();
    await daemon.exited;
  }
  const log = await logged;
  expect(log).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z trace\.list failed: /);
  expect(log).toContain(`${spelled}/traces`);
  expectHarmless(log);
});

test("attack 27: escapes in a notice of a program's own node are spelled out", async () => {
  const program = `
    import { connect } from "./src/sdk.ts";
    await using operon = await connect({ home: ${JSON.stringify(home)} });
    await operon.node("local").trace.list().catch(() => {});
  `;
  const child = start([process.execPath, "-e", program]);
  const stderr = await new Response(child.stderr).text();
  expect(stderr).toStartWith("operon: trace.list failed: ");
  expect(stderr).toContain(`${spelled}/traces`);
  expectHarmless(stderr);
});

test("attack 27: escapes in the folder of a shell's prompt are spelled out", async () => {
  await using shell = new TypedTerminal({
    argv: [...operon, "--no-color", "shell", `local:/${evil}\n/deep`],
    env: { PATH: process.env.PATH ?? "", HOME: own.folder },
  });
  await shell.until(`local:/${spelled}\\n/deep> `);
  // The line editor moves the cursor itself, with sequences of its own.
  expect(shell.text).not.toMatch(/\x1b\]|[\x07\x80-\x9f\u2028\u202e]/);
});
