import { expect, test } from "bun:test";
import { runCase } from "../cli/cli.fixture.ts";
import type { HandWrittenVerb } from "../cli/verb.ts";
import { BOX } from "./shell.fixture.ts";
import { shellVerb } from "./shell_verb.ts";

const shell = shellVerb({
  verbs: () => [],
  sdk: async () => () => ({ node: (name) => ({ name }) }),
  historyPath: () => "/nowhere/history",
});
const opened: unknown[] = [];
const spy: HandWrittenVerb = {
  ...shell,
  async run(input) {
    opened.push(input);
    return 42;
  },
};

test.each([[[]], [["--verbose"]], [["--home", "/x"]]])(
  "%p on a terminal opens the shell",
  async (argv) => {
    const { exitCode } = await runCase({ argv, capabilities: [BOX], verbs: [spy], isTty: true });
    expect(exitCode).toBe(42);
  },
);

test.each([
  [[], false],
  [["--json"], true],
  [["--help"], true],
  [["help"], true],
])("%p (on a terminal: %p) does not", async (argv, isTty) => {
  const { exitCode, stdout } = await runCase({ argv, capabilities: [BOX], verbs: [spy], isTty });
  expect(exitCode).toBe(0);
  expect(stdout).toContain("shell");
});

test("-c runs one line through the calls of the command line", async () => {
  const { exitCode, stdout, calls } = await runCase({
    argv: ["shell", "a:/data", "-c", "uptime"],
    capabilities: [BOX],
    verbs: [shell],
    answers: [{ text: "up\n" }, { output: { exit_code: 3 } }],
  });
  expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: "up\n" });
  expect(calls).toMatchObject([
    { node: "a", operation: "box.run", input: { command: "uptime", cwd: "/data" } },
  ]);
});

test("lines of a piped input run one after the other, and commands do not read them", async () => {
  const { exitCode, stdout, calls } = await runCase({
    argv: ["shell", "--json"],
    capabilities: [BOX],
    verbs: [shell],
    stdin: "box who\n# a comment\nb: x\npwd",
    answers: [{ output: { exit_code: 0 } }],
  });
  expect(exitCode).toBe(0);
  expect(stdout).toContain("local:/\n");
  expect(calls.map(({ node, sent }) => [node, sent])).toEqual([
    ["local", undefined],
    ["b", undefined],
  ]);
});

test("flags of the shell hold for its lines, and a line may say otherwise", async () => {
  const { stdout, connected } = await runCase({
    argv: ["shell", "--home", "/one", "--json", "-c", "box who; box who --home /two"],
    capabilities: [BOX],
    verbs: [shell],
    answers: [{ output: { name: "x" } }],
  });
  expect(stdout).toBe('{"name":"x"}\n{"name":"x"}\n');
  expect(connected).toMatchObject([{ home: "/one" }, { home: "/two" }]);
});

test("a shell within a shell, and a place that is none, are refused", async () => {
  const base = { capabilities: [BOX], verbs: [shell] };
  const wrong = await runCase({ ...base, argv: ["shell", "ü:/x"] });
  expect(wrong).toMatchObject({ exitCode: 2, calls: [] });
  const { calls } = await runCase({ ...base, argv: ["shell", "-c", "shell"] });
  expect(calls).toMatchObject([{ operation: "box.run", input: { command: "shell" } }]);
});
