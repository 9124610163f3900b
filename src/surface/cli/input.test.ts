import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { box } from "./cli.fixture.ts";

async function called(...argv: string[]) {
  const outcome = await box(argv, { answers: [{ output: { exit_code: 0 } }] });
  expect(outcome.stderr).toBe("");
  expect(outcome.exitCode).toBe(0);
  return outcome.calls[0]!;
}

/** A command line that must be refused before anything is called. */
async function refused(...argv: string[]) {
  const outcome = await box([...argv, ...(argv.includes("--") ? [] : ["--json"])]);
  expect(outcome.exitCode).toBe(2);
  expect(outcome.calls).toEqual([]);
  expect(outcome.connected).toEqual([]);
  expect(outcome.stdout).toBe("");
  if (argv.includes("--")) return { code: "", message: outcome.stderr, hint: outcome.stderr };
  return JSON.parse(outcome.stderr).error as { code: string; message: string; hint?: string };
}

describe("targets", () => {
  test("node:/path names the node and the path", async () => {
    const call = await called("box", "open", "gpu:/data/x");
    expect([call.node, call.input]).toEqual(["gpu", { path: "/data/x" }]);
  });
  test("a path alone is on the own node", async () => {
    expect((await called("box", "open", "/a:b")).node).toBe("local");
  });
  test("a key id names a node", async () => {
    const id = `ed25519:${"a".repeat(52)}`;
    const call = await called("box", "open", `${id}:/x`);
    expect([call.node, call.input]).toEqual([id, { path: "/x" }]);
  });
  test("a colon in the path stays in the path", async () => {
    expect((await called("box", "open", "gpu:/a:/b")).input).toEqual({ path: "/a:/b" });
  });
  test("a second path takes the first one's node", async () => {
    const call = await called("box", "pair", "gpu:/a", "/b");
    expect([call.node, call.input]).toEqual(["gpu", { path: "/a", to: "/b" }]);
  });
  test.each([
    ["./x", "local:/x"],
    ["x", "local:/x"],
    ["gpu:x", "gpu:/x"],
    ["gpu:", "gpu:/"],
    [":/x", "local:/x"],
    ["../x", "local:/"],
    ["", "local:/"],
    ["-x y:/z", "local:/"],
  ])("%p is refused with what to write", async (word, expected) => {
    const error = await refused("box", "open", "--json", "--", word).catch(() => undefined);
    expect(error?.message ?? "").toContain("cli.target_invalid");
    expect(error?.message).toContain(expected);
  });
  test("paths on two nodes are refused", async () => {
    expect((await refused("box", "pair", "a:/x", "b:/y")).code).toBe("cli.target_invalid");
    expect((await refused("box", "pair", "/x", "b:/y")).code).toBe("cli.target_invalid");
  });
});

describe("flags", () => {
  const open = (...flags: string[]) => called("box", "open", "local:/x", ...flags);
  test.each([
    [["--count", "7"], { count: 7 }],
    [["--count=-7"], { count: -7 }],
    [["-c", "7"], { count: 7 }],
    [["-c7"], { count: 7 }],
    [["-fc7"], { force: true, count: 7 }],
    [["--count", "007"], { count: 7 }],
    [["--ratio", "1.5e3"], { ratio: 1500 }],
    [["--force"], { force: true }],
    [["--force=false"], { force: false }],
    [["--no-force"], { force: false }],
    [["--maybe"], { maybe: true }],
    [["--maybe", "false"], { maybe: false }],
    [["-m", "true"], { maybe: true }],
    [["--color", "red"], { color: "red" }],
    [["--tags", "a", "--tags=b,c", "--tags", ""], { tags: ["a", "b,c", ""] }],
    [["--sizes", "1", "--sizes", "2"], { sizes: [1, 2] }],
    [["--env", "A=1", "--env", "B=x=y", "--env=C="], { env: { A: "1", B: "x=y", C: "" } }],
    [["--nested", '{"a":"b"}'], { nested: { a: "b" } }],
    [["--no-wait"], { no_wait: true }],
    [["--no_wait"], { no_wait: true }],
    [["--no-no-wait"], { no_wait: false }],
    [["--constructor", "007"], { constructor: "007" }],
    [["--constructor", "-x"], { constructor: "-x" }],
    [["--constructor=--json"], { constructor: "--json" }],
    [["--constructor", ""], { constructor: "" }],
    [["--constructor", " a\n\t"], { constructor: " a\n\t" }],
    [["--constructor", "="], { constructor: "=" }],
    [["--constructor", "0x10"], { constructor: "0x10" }],
    [["--constructor", "true"], { constructor: "true" }],
  ])("%p become %p", async (flags, input) => {
    expect((await open(...flags)).input).toEqual({ path: "/x", ...input });
  });
  test("an own property called __proto__ in a map is a property", async () => {
    const { env } = (await open("--env", "__proto__=x")).input as { env: object };
    expect(Object.keys(env)).toEqual(["__proto__"]);
  });
  test.each([
    [["--count", "1.5"], "cli.value_invalid", "whole number"],
    [["--count", "x"], "cli.value_invalid", "whole number"],
    [["--count", ""], "cli.value_invalid", "whole number"],
    [["--count", "0x10"], "cli.value_invalid", "whole number"],
    [["--count", "99999999999999999999"], "cli.value_invalid", "whole number"],
    [["--ratio", "NaN"], "cli.value_invalid", "a number"],
    [["--ratio", "Infinity"], "cli.value_invalid", "a number"],
    [["--ratio", "1e999"], "cli.value_invalid", "a number"],
    [["--force=maybe"], "cli.value_invalid", "true or false"],
    [["--no-force=true"], "cli.value_invalid", "takes no value"],
    [["--color", "blue"], "cli.value_invalid", "one of red, green"],
    [["--sizes", "a"], "cli.value_invalid", "whole number"],
    [["--env", "A"], "cli.value_invalid", "NAME=VALUE"],
    [["--env", "=x"], "cli.value_invalid", "NAME=VALUE"],
    [["--nested", "{a"], "cli.value_invalid", "JSON"],
    [["--count"], "cli.value_missing", "needs a value"],
    [["--count", "--force"], "cli.value_missing", "needs a value"],
    [["--count", "1", "--count", "2"], "cli.flag_repeated", "2 times"],
    [["--cuont", "1"], "cli.flag_unknown", "--cuont"],
    [["--__proto__", "1"], "cli.flag_unknown", "has no flag"],
    [["--to-string"], "cli.flag_unknown", "has no flag"],
    [["-z"], "cli.flag_unknown", "-z"],
    [["-fz"], "cli.flag_unknown", "-z"],
    [["--path", "/y"], "cli.flag_unknown", "--path"],
    [["--timeout-secs", "0"], "cli.value_invalid", "seconds"],
    [["--timeout-secs", "-1"], "cli.value_invalid", "seconds"],
    [["--quiet=2"], "cli.value_invalid", "true or false"],
  ])("%p are refused", async (flags, code, part) => {
    const error = await refused("box", "open", "local:/x", ...flags);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });
  test("an unknown flag is answered with the nearest one", async () => {
    expect((await refused("box", "open", "local:/x", "--cuont", "1")).hint).toContain("--count");
  });
  test("a missing required flag is named, with the usage", async () => {
    const error = await refused("box", "need");
    expect(error.code).toBe("cli.flag_missing");
    expect(error.hint).toContain("operon box need --key TEXT");
  });
});

describe("arguments", () => {
  test("an optional node is taken when there are words to spare", async () => {
    expect((await called("box", "ask", "what")).node).toBe("local");
    const call = await called("box", "ask", "gpu", "what", "3");
    expect([call.node, call.input]).toEqual(["gpu", { what: "what", more: 3 }]);
  });
  test("--node says which word is not the node", async () => {
    const call = await called("box", "ask", "--node", "gpu", "what", "3");
    expect([call.node, call.input]).toEqual(["gpu", { what: "what", more: 3 }]);
  });
  test("flags may stand between arguments", async () => {
    const call = await called("box", "ask", "gpu", "--who", "me", "what");
    expect([call.node, call.input]).toEqual(["gpu", { what: "what", who: "me" }]);
  });
  test("a variadic argument takes the rest, words that look like numbers included", async () => {
    const call = await called("box", "many", "gpu", "a", "-5", "007");
    expect(call.input).toEqual({ names: ["a", "-5", "007"] });
  });
  test("words after -- are arguments where no command is expected", async () => {
    const call = await called("box", "many", "gpu", "a", "--", "--json", "-x");
    expect(call.input).toEqual({ names: ["a", "--json", "-x"] });
  });
  test.each([
    [["box", "open"], "cli.argument_missing"],
    [["box", "pair", "local:/x"], "cli.argument_missing"],
    [["box", "many", "gpu"], "cli.argument_missing"],
    [["box", "many"], "cli.argument_missing"],
    [["box", "ask"], "cli.argument_missing"],
    [["box", "open", "local:/x", "y"], "cli.argument_unexpected"],
    [["box", "need", "--key", "x", "y"], "cli.argument_unexpected"],
    [["box", "ask", "gpu", "what", "three"], "cli.value_invalid"],
    [["box", "run", "gpu", "ls"], "cli.argument_unexpected"],
    [["box", "run", "gpu"], "cli.argument_missing"],
  ])("%p are refused with the usage line", async (argv, code) => {
    const error = await refused(...argv);
    expect(error.code).toBe(code);
    if (code !== "cli.value_invalid") expect(error.hint).toContain(`operon ${argv[0]} ${argv[1]}`);
  });
});

describe("words after --", () => {
  const run = async (...argv: string[]) => (await called("box", "run", ...argv)).input;
  test("one word is a command line for the shell", async () => {
    expect(await run("gpu", "--", "echo $HOME")).toEqual({ command: "echo $HOME" });
  });
  test("several words are run as they are", async () => {
    expect(await run("gpu", "--", "echo", "--json", "")).toEqual({ argv: ["echo", "--json", ""] });
  });
  test("--argv runs a single word as it is", async () => {
    expect(await run("gpu", "--argv", "--", "a b")).toEqual({ argv: ["a b"] });
  });
  test("a second -- belongs to the command", async () => {
    expect(await run("gpu", "--", "a", "--", "b")).toEqual({ argv: ["a", "--", "b"] });
  });
  test("nothing after -- is refused", async () => {
    expect((await box(["box", "run", "gpu", "--"])).exitCode).toBe(2);
  });
  test("the operation's own --timeout-secs wins, wherever it stands", async () => {
    const outcome = await box(["--timeout-secs", "5", "box", "run", "gpu", "--", "x"]);
    expect(outcome.calls[0]).toMatchObject({
      input: { command: "x", timeout_secs: 5 },
      timeoutMs: undefined,
    });
  });
});

describe("files into fields", () => {
  const folder = mkdtempSync(join(tmpdir(), "operon-input-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "a.txt");
  writeFileSync(file, "text\nof a file");
  test("a word that names a file becomes its text, in the field for it", async () => {
    expect((await called("box", "text", file)).input).toEqual({ body: "text\nof a file" });
  });
  test("a word that names no file stays a word", async () => {
    expect((await called("box", "text", "0123")).input).toEqual({ id: "0123" });
  });
  test("a field that is a file's text takes text of several lines too", async () => {
    expect((await called("box", "file", "a\nb")).input).toEqual({ text: "a\nb" });
  });
  test("a missing file is refused where only a file makes sense", async () => {
    expect((await refused("box", "file", join(folder, "nope"))).code).toBe("cli.file_unreadable");
  });
  test("a file that is no text or too large is refused", async () => {
    const binary = join(folder, "binary");
    writeFileSync(binary, new Uint8Array([0xff, 0xfe]));
    expect((await refused("box", "file", binary)).message).toContain("not text");
    const large = join(folder, "large");
    writeFileSync(large, "x".repeat(500 * 1024));
    expect((await refused("box", "file", large)).message).toContain("480 KiB");
  });
});
