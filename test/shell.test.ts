// The shell of the compiled executable on a real terminal, over two nodes.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestNode, until } from "./harness/mesh.ts";
import { TypedTerminal } from "./harness/terminal.ts";

const operon = process.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../dist/operon");
const folder = mkdtempSync(join(tmpdir(), "operon-shell-"));
const CTRL_C = "\x03";
const CTRL_D = "\x04";
let a: TestNode;
let b: TestNode;

beforeAll(async () => {
  a = await TestNode.start({ name: "a" });
  b = await TestNode.start({ name: "b" });
  const invite = await b.call("local", "node.invite", { roles: ["operator"] });
  await a.call("local", "node.join", { code: (invite.output as { code: string }).code });
  writeFileSync(join(a.test.workspace, "log"), "c\na\nb\n");
  writeFileSync(join(b.test.workspace, "there.txt"), "on b\n");
});

afterAll(async () => {
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function environment(more: Readonly<Record<string, string>> = {}) {
  const home = a.test.home.path;
  return { PATH: process.env.PATH ?? "", HOME: folder, OPERON_HOME: home, NO_COLOR: "1", ...more };
}

async function openShell(more?: Readonly<Record<string, string>>): Promise<TypedTerminal> {
  const terminal = new TypedTerminal({ argv: [operon], env: environment(more) });
  await terminal.until("local:/> ");
  return terminal;
}

async function runLine(line: string) {
  const child = Bun.spawn([operon, "shell", "-c", line], {
    env: environment(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
}

test("operon alone on a terminal opens a shell that moves, lists and pipes across nodes", async () => {
  await using shell = await openShell();
  shell.type("ls\r");
  expect(await shell.until("local:/> ")).toContain("log");
  shell.type("cd b:\r");
  await shell.until("b:/> ");
  shell.type("ls\r");
  expect(await shell.until("b:/> ")).toContain("there.txt");
  shell.type("cat local:/log | sort | local: head -2 > sorted\r");
  await shell.until("b:/> ");
  expect(readFileSync(join(b.test.workspace, "sorted"), "utf8")).toBe("a\nb\n");
  shell.type("cat sorted | local: wc -l; wc -l there.txt\r");
  expect(await shell.until("b:/> ")).toMatch(/\n2\r\n1 there.txt/);
  shell.type(CTRL_D);
  expect(await shell.child.exited).toBe(0);
}, 30_000);

test("Ctrl-C cancels the running command and not the shell", async () => {
  await using shell = await openShell();
  shell.type("echo $$ > pid; exec sleep 600\r");
  const path = join(a.test.workspace, "pid");
  await until(() => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 1);
  const pid = Number(readFileSync(path, "utf8"));
  shell.type(CTRL_C);
  await shell.until("local:/> ");
  await until(() => statSync(`/proc/${pid}`, { throwIfNoEntry: false }) === undefined);
  shell.type(`typed and dropped${CTRL_C}`);
  await shell.until("local:/> ");
  shell.type("= console.log('be' + 'gun') ?? new Promise(() => {})\r");
  await shell.until("begun");
  shell.type(CTRL_C);
  await shell.until("local:/> ");
  shell.type(`sleep 600\r${CTRL_C}`);
  await shell.until("local:/> ");
  shell.type("echo al''ive\r");
  await shell.until("alive");
  shell.type("exit 3\r");
  expect(await shell.child.exited).toBe(3);
}, 30_000);

test("sh has a terminal on its node by itself, and gives this one back", async () => {
  await using shell = await openShell();
  shell.type("b: sh\r");
  await shell.until("# ");
  shell.type("test -t 0 && test -t 1 && echo ter''minal in $PWD\r");
  expect(await shell.until("# ")).toContain(`terminal in ${b.test.workspace}`);
  shell.type(`sleep 600\r${CTRL_C}`);
  await shell.until("# ");
  shell.type("exit 3\r");
  await shell.until("local:/> ");
  shell.type("echo a''gain\r");
  await shell.until("again");
}, 30_000);

test.each(["", "cat\r", "sleep 600\r", "sh\r"])(
  "it ends with its terminal, after %j",
  async (line) => {
    await using shell = await openShell();
    shell.type(`${line}`);
    if (line !== "") await until(() => shell.text.includes(line.trim()));
    shell.hangUp();
    expect(await shell.child.exited).toBeLessThan(144);
  },
  30_000,
);

test("a wait of more than a second is shown, and gone before the next prompt", async () => {
  await using shell = await openShell();
  shell.type("sleep 1.5\r");
  await shell.until("Waiting for local, 1 s");
  expect(await shell.until("local:/> ")).not.toContain("\n");
}, 30_000);

test("lines are kept for the next shell in a file for the owner alone, and Tab completes", async () => {
  {
    await using shell = await openShell();
    shell.type("echo fir''st\r");
    await shell.until("first\r\n");
    await shell.until("local:/> ");
    shell.type(CTRL_D);
    await shell.child.exited;
  }
  const path = a.test.home.history_path;
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toEndWith("echo fir''st\n");
  await using shell = await openShell();
  shell.type("\x1b[A\r");
  await shell.until("first\r\n");
  await shell.until("local:/> ");
  writeFileSync(join(a.test.workspace, "notes.txt"), "noted\n");
  shell.type("cat no\t");
  await shell.until("tes.txt ");
  shell.type("\r");
  await shell.until("noted\r\n");
}, 30_000);

test("what would be lost is asked about, and the answer joins no history", async () => {
  await using shell = await openShell();
  writeFileSync(join(a.test.workspace, "old"), "");
  shell.type("rm old\r");
  await shell.until("[y/N] ");
  shell.type("n\r");
  expect(await shell.until("local:/> ")).toContain("cli.declined");
  shell.type("rm old\r");
  await shell.until("[y/N] ");
  shell.type(CTRL_C);
  await shell.until("local:/> ");
  expect(statSync(join(a.test.workspace, "old")).size).toBe(0);
  shell.type("rm old\r");
  await shell.until("[y/N] ");
  shell.type("y\r");
  await shell.until("local:/> ");
  expect(statSync(join(a.test.workspace, "old"), { throwIfNoEntry: false })).toBeUndefined();
  expect(readFileSync(a.test.home.history_path, "utf8")).not.toMatch(/^[yn]$/m);
}, 30_000);

test("edit writes back what the editor changed, unless somebody else did meanwhile", async () => {
  const file = join(a.test.workspace, "edited");
  writeFileSync(file, "one\n");
  const editor = join(folder, "editor");
  writeFileSync(editor, `#!/bin/sh\necho two >> "$1"\n[ -z "$RACE" ] || echo race > ${file}\n`, {
    mode: 0o755,
  });
  {
    await using shell = await openShell({ EDITOR: editor });
    shell.type("edit edited\r");
    await shell.until("local:/> ");
    expect(readFileSync(file, "utf8")).toBe("one\ntwo\n");
    shell.type("edit fresh\r");
    await shell.until("local:/> ");
    expect(readFileSync(join(a.test.workspace, "fresh"), "utf8")).toBe("two\n");
  }
  await using shell = await openShell({ EDITOR: editor, RACE: "1" });
  shell.type("edit edited\r");
  const said = await shell.until("local:/> ");
  expect(said).toContain("version_mismatch");
  expect(readFileSync(file, "utf8")).toBe("race\n");
  const kept = /Your text is kept in (\S+)/.exec(said)?.[1] ?? "";
  expect(readFileSync(kept, "utf8")).toBe("one\ntwo\ntwo\n");
  rmSync(join(kept, ".."), { recursive: true });
}, 30_000);

test("the shell opens and stays without any node that can be reached", async () => {
  const home = join(folder, "nothing");
  await using shell = await openShell({ OPERON_HOME: home });
  shell.type("ls\r");
  expect(await shell.until("local:/> ")).toContain("hint:");
  shell.type("gone: uptime\r");
  expect(await shell.until("local:/> ")).toContain("error:");
  shell.type("= 6 * 7\r");
  expect(await shell.until("local:/> ")).toContain("42");
  shell.type(CTRL_D);
  expect(await shell.child.exited).toBe(0);
  expect(statSync(home, { throwIfNoEntry: false })).toBeUndefined();
}, 30_000);

test("a line of an argument runs without a terminal, and its code is the command's", async () => {
  expect(await runLine("cat log | b: sort | head -1")).toEqual({ out: "a\n", err: "", code: 0 });
  expect(await runLine("b: exit 7")).toMatchObject({ code: 7 });
  expect(await runLine("on a,b: exit 5")).toMatchObject({ code: 5 });
  expect(await runLine("cat nothing > b:/never")).toMatchObject({ code: 3, out: "" });
  expect((await runLine("b: ls")).out).not.toContain("never");
  expect((await runLine("= await here.fs.stat({ path: '/log' })")).out).toContain("size_bytes: 6");
}, 30_000);

test("lines of a pipe are run, and SIGTERM ends a shell", async () => {
  const child = Bun.spawn([operon, "shell"], {
    env: environment(),
    stdin: new TextEncoder().encode("cd b:\npwd\nsort there.txt\nexit 4\npwd\n"),
    stdout: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe("b:/\non b\n");
  expect(await child.exited).toBe(4);
  await using shell = await openShell();
  shell.child.kill("SIGTERM");
  expect(await shell.child.exited).toBeLessThan(144);
}, 30_000);

test("16 MiB go through a pipe over two nodes byte by byte", async () => {
  const size = 16 * 1024 * 1024;
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  writeFileSync(join(a.test.workspace, "big"), bytes);
  expect(await runLine("cat big | b: cat | cat > b:/big")).toMatchObject({ code: 0, err: "" });
  const copied = readFileSync(join(b.test.workspace, "big"));
  expect(Bun.hash(copied)).toBe(Bun.hash(bytes));
}, 30_000);
