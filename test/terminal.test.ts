// Sessions of the compiled executable on a real terminal: left, ended and taken up again, and the terminal in order after each.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";
import { runCase } from "../src/surface/cli/cli.fixture.ts";
import { TestNode } from "./harness/mesh.ts";
import { TypedTerminal } from "./harness/terminal.ts";

const operon = process.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../dist/operon");
const folder = mkdtempSync(join(tmpdir(), "operon-terminal-"));
const OTHER_SCREEN_OFF = "\x1b[?1049l";
let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({ name: "here" });
});

afterAll(async () => {
  const { output } = await node.call("local", "exec.sessions", {});
  const { sessions } = output as { sessions: { id: string; state: string }[] };
  for (const { id, state } of sessions)
    if (state === "running") await node.call("local", "exec.hangup", { id });
  await node[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function environment() {
  const home = node.test.home.path;
  return { PATH: process.env.PATH ?? "", HOME: folder, OPERON_HOME: home, NO_COLOR: "1" };
}

function openTerminal(...args: readonly string[]): TypedTerminal {
  return new TypedTerminal({ argv: [operon, ...args], env: environment() });
}

/** Opens a session and leaves it when this was shown; resolves to its id. */
async function leave(command: string, shown: string): Promise<string> {
  await using terminal = openTerminal("exec", "session", "local", "--", command);
  await terminal.until(shown);
  terminal.type("~.");
  await terminal.until("operon exec attach local ");
  return (await terminal.until(" --from")).slice(0, -" --from".length);
}

test("a session that is left says how to go on when the terminal begins its lines itself again", async () => {
  await using terminal = openTerminal("exec", "session", "local", "--", "printf here; exec cat");
  await terminal.until("here");
  terminal.type("~.");
  await terminal.until("\r\noperon: left; if it goes on: operon exec attach local s");
  await terminal.until(" --from 4\r\n");
  expect(await terminal.child.exited).toBe(0);
}, 30_000);

test("a session that ends when it is left is not offered again", async () => {
  const command = ["exec", "session", "local", "--ephemeral", "--", "printf here; exec cat"];
  await using terminal = openTerminal(...command);
  await terminal.until("here");
  terminal.type("~.");
  await terminal.until("\r\noperon: left, and the session ends\r\n");
  expect(await terminal.child.exited).toBe(0);
}, 30_000);

test("a session whose time limit ends it leaves no other screen behind, and says so", async () => {
  const command = "printf '\\033[?1049hfull'; exec cat";
  await using terminal = openTerminal(
    ...["exec", "session", "local", "--timeout-secs", "0.5", "--", command],
  );
  await terminal.until(OTHER_SCREEN_OFF);
  await terminal.until("\r\nnote: the time limit of 0.5 s ended it\r\n");
  expect(await terminal.child.exited).toBe(124);
}, 30_000);

test("a session that is taken up again asks the terminal what is new, and nothing it asked before", async () => {
  const id = await leave(
    "stty raw -echo; printf 'old\\033[c\\033[6n|'; head -c1; printf 'new\\033[6n|'; exec cat",
    "old\x1b[c\x1b[6n|",
  );
  await using terminal = openTerminal("exec", "attach", "local", id);
  expect(await terminal.until("|")).toBe("old|");
  terminal.type("x");
  expect(await terminal.until("|")).toBe("xnew\x1b[6n|");
  terminal.type("\r~.");
  await terminal.child.exited;
  const argv = [operon, "exec", "attach", "local", id, "--read-only"];
  const piped = Bun.spawn(argv, { env: environment(), stdin: "ignore", stderr: "ignore" });
  expect(await node.call("local", "exec.hangup", { id })).toMatchObject({ error: undefined });
  const kept = await new Response(piped.stdout).text();
  expect(kept).toStartWith("old\x1b[c\x1b[6n|xnew\x1b[6n|");
}, 30_000);

test.each([
  ["not on a terminal", { end: 7, isTty: false }, "old\x1b[6nnew\x1b[6n"],
  [
    "where the node does not say what is old",
    { end: undefined, isTty: true },
    "old\x1b[6nnew\x1b[6n",
  ],
  ["on a terminal", { end: 7, isTty: true }, "oldnew\x1b[6n"],
])("what is said of old output is heeded: %s", async (_where, { end, isTty }, shown) => {
  const at = { session: "s000000000000", from: 0, dropped: 0, end };
  const { stdout } = await runCase({
    argv: ["exec", "attach", "gpu", "s000000000000"],
    capabilities: new Registry(Object.values(builtin)).describe(),
    answers: [
      { text: JSON.stringify(at), channel: 1 },
      { text: "old\x1b[6nnew\x1b[6n" },
      { output: { exit_code: 0 } },
    ],
    isTty,
  });
  expect(stdout.startsWith(shown)).toBeTrue();
});

test("a recording that is played leaves the terminal in order and asks it nothing", async () => {
  const command = "printf 'a\\033[?1049h\\033[6nb'";
  const { bytes } = await node.call("local", "exec.session", { command, record: true });
  expect(new TextDecoder().decode(bytes)).toContain("\x1b[6n");
  const { output } = await node.call("local", "exec.sessions", {});
  const { id } = (output as { sessions: { id: string }[] }).sessions.at(-1)!;
  await using terminal = openTerminal("exec", "replay", "local", id);
  expect(await terminal.until(OTHER_SCREEN_OFF)).toBe(`a\x1b[?1049hb${OTHER_SCREEN_OFF}`);
  expect(await terminal.child.exited).toBe(0);
  const argv = [operon, "exec", "replay", "local", id];
  const piped = Bun.spawn(argv, { env: environment(), stdin: "ignore" });
  expect(await new Response(piped.stdout).text()).toBe("a\x1b[?1049h\x1b[6nb");
}, 30_000);
