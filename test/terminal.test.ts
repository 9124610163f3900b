// Sessions of the compiled executable on a real terminal: left, ended and taken up again, and the terminal in order after each.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  await node[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function openTerminal(...args: readonly string[]): TypedTerminal {
  const home = node.test.home.path;
  const env = { PATH: process.env.PATH ?? "", HOME: folder, OPERON_HOME: home, NO_COLOR: "1" };
  return new TypedTerminal({ argv: [operon, ...args], env });
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
