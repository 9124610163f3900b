import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bench } from "./exec.fixture.ts";
import { operations } from "./schema.ts";
import { quoteWords } from "./shell_words.ts";

const bench = new Bench({ roots: ["/jobs"], max_timeout_secs: 60 });
afterAll(() => bench[Symbol.dispose]());

beforeAll(() => {
  mkdirSync(join(bench.folder, "jobs/one"), { recursive: true });
  mkdirSync(join(bench.folder, "jobs_evil"));
  writeFileSync(join(bench.folder, "jobs/tool"), "#!/bin/sh\necho tool $0 $1\n");
  chmodSync(join(bench.folder, "jobs/tool"), 0o755);
  writeFileSync(join(bench.folder, "jobs/text"), "no program\n");
  symlinkSync("tool", join(bench.folder, "jobs/link"));
});

test("a bare word is looked up on the configured path, never in the working directory", () => {
  expect(bench.facts({ argv: ["ls"] })).toMatchObject({ path: "/usr/bin/ls", names: ["ls"] });
  expect(bench.facts({ argv: ["tool"] }).problem?.error).toBe("not_found");
  for (const word of ["..", "/", "/usr/bin/", "./"]) {
    expect(bench.facts({ argv: [word] }).problem?.error).toMatch(/^not_/);
  }
});

test("a word with a slash is looked up in the working directory and gets no name", () => {
  const facts = bench.facts({ argv: ["./tool", "x"] });
  const path = join(bench.folder, "jobs/tool");
  expect(facts).toMatchObject({ argv: [path, "x"], path, names: [], executable: path });
});

test("a link is resolved to the file that will be executed", () => {
  const facts = bench.facts({ argv: ["./link"] });
  expect(facts.path).toBe(join(bench.folder, "jobs/link"));
  expect(facts.executable).toBe(join(bench.folder, "jobs/tool"));
  expect(facts.links).toEqual([join(bench.folder, "jobs/tool")]);
});

test("a missing command is 127 and a file that is no program 126, as a shell has it", () => {
  const missing = bench.facts({ argv: ["./nothing"] }).problem;
  expect(missing).toMatchObject({ error: "not_found", data: { exit_code: 127 } });
  const text = bench.facts({ argv: ["./text"] }).problem;
  expect(text).toMatchObject({ error: "not_executable", data: { exit_code: 126 } });
  expect(bench.facts({ argv: ["./one"] }).problem?.error).toBe("not_executable");
});

test("a shell's own command goes through the shell, and policy sees that", () => {
  const facts = bench.facts({ argv: ["ulimit", "-n", "it's"] });
  expect(facts).toMatchObject({ shell: true, argv: ["/usr/bin/sh", "-c", "ulimit -n 'it'\\''s'"] });
  expect(bench.facts({ argv: ["no_builtin", "x"] }).shell).toBeFalse();
});

test("the working directory is the first root unless the caller names one below it", () => {
  expect(bench.facts({ argv: ["ls"] }).cwd).toBe("/jobs");
  expect(bench.facts({ argv: ["ls"], cwd: "/jobs/one" }).cwd).toBe("/jobs/one");
  expect(bench.facts({ argv: ["ls"], cwd: "/jobs/one/" }).cwd).toBe("/jobs/one");
});

test("a working directory outside the roots or spelled ambiguously is refused", () => {
  for (const cwd of ["/", "/jobs_evil", "/job"]) {
    const facts = bench.facts({ argv: ["ls"], cwd });
    expect(facts.problem?.error).toBe("cwd_denied");
    expect(facts.cwd).toBeUndefined();
  }
  for (const cwd of ["/jobs/../jobs_evil", "/jobs/./one", "//jobs", "jobs", "", "/jobs/none"]) {
    const facts = bench.facts({ argv: ["ls"], cwd });
    expect(facts.problem?.error).toBe("cwd_unusable");
    expect(facts.cwd).toBeUndefined();
  }
});

test("facts never throw, whatever is wrong: policy decides first", () => {
  using closed = new Bench({});
  expect(closed.facts({ argv: ["ls"] }).problem?.error).toBe("disabled");
  expect(closed.facts({ command: "ls" }).argv).toEqual(["sh", "-c", "ls"]);
  const long = bench.facts({ argv: ["x".repeat(5000)] });
  expect(long.problem?.error).toBe("not_found");
  using noShell = new Bench({ roots: ["/"], shell: "/no/shell" });
  expect(noShell.facts({ command: "ls" }).problem?.error).toBe("not_found");
});

test("a timeout above policy's is refused, and one at it is not", () => {
  expect(bench.facts({ argv: ["ls"], timeout_secs: 61 }).problem?.error).toBe("timeout_exceeded");
  expect(bench.facts({ argv: ["ls"], timeout_secs: 60 }).problem).toBeUndefined();
});

test("input must be exactly one of argv and command, without NUL", () => {
  for (const wrong of [
    {},
    { argv: ["a"], command: "a" },
    { argv: [] },
    { argv: [""] },
    { argv: ["a\0b"] },
    { command: "" },
    { command: "a\0b" },
    { argv: ["a"], env: { "A=B": "x" } },
    { argv: ["a"], env: { A: "x\0" } },
    { argv: ["a"], timeout_secs: 0 },
    { argv: ["a"], shell: true },
  ]) {
    expect(operations.run.input.safeParse(wrong).success).toBeFalse();
  }
});

test("quoteWords() makes a shell see the same words", () => {
  const words = ["a b", "it's", '"', "$HOME", "`id`", "\\", "*", "", "\n", "a=b", "-x", "~", "ü"];
  const text = `printf '%s\\0' ${quoteWords(words)}`;
  const { stdout } = Bun.spawnSync(["/bin/sh", "-c", text]);
  expect(stdout.toString().split("\0").slice(0, -1)).toEqual(words);
});
