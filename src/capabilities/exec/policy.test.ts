import { afterAll, expect, test } from "bun:test";
import { copyFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Verdict } from "../../decision.ts";
import { KeyPair } from "../../identity/key.ts";
import { commandCaveats } from "../../policy/command_caveats.ts";
import { compilePolicy } from "../../policy/compile.ts";
import { decide } from "../../policy/decide.ts";
import { PolicySchema } from "../../policy/schema.ts";
import { Bench } from "./exec.fixture.ts";
import type { CommandFacts, RunRequest } from "./facts.ts";

const bench = new Bench({ roots: ["/"] });
afterAll(() => bench[Symbol.dispose]());

const KEY = KeyPair.generate().publicKey.id;

/** What a node with these rules would decide about a command. */
function verdictOf(rules: readonly object[], request: RunRequest | CommandFacts): Verdict {
  const policy = compilePolicy(
    PolicySchema.parse({
      principals: { someone: { key: KEY, roles: ["role"] } },
      roles: { role: rules },
    }),
    { caveats: { exec: commandCaveats }, operations: [{ id: "exec.run", effect: "execute" }] },
  );
  const facts = "names" in request ? request : bench.facts(request as { argv: string[] });
  return decide(policy, {
    principal_id: KEY,
    operation: "exec.run",
    effect: "execute",
    accesses: [{ resource: "exec:default" }],
    facts: { ...facts },
    now_ms: 0,
    usage: () => ({ calls: 0, bytes: 0, seconds: 0 }),
  }).verdict;
}

const allow = (...patterns: string[][]) => [{ allow: ["exec.run"], when: { argv: patterns } }];
const deny = (...patterns: string[][]) => [
  { allow: ["exec.run"] },
  { deny: ["exec.run"], when: { argv: patterns } },
];

test("argv allows the command it names, found on the configured path", () => {
  expect(verdictOf(allow(["ls", "-l", "*"]), { argv: ["ls", "-l", "/"] })).toBe("allow");
  expect(verdictOf(allow(["ls", "**"]), { argv: ["/usr/bin/ls"] })).toBe("allow");
  expect(verdictOf(allow(["/usr/bin/ls", "**"]), { argv: ["ls", "x"] })).toBe("allow");
  expect(verdictOf(allow(["**"]), { command: "anything at all" })).toBe("allow");
});

test("argv allows nothing but the words it lists", () => {
  expect(verdictOf(allow(["ls", "-l"]), { argv: ["ls", "-la"] })).toBe("deny");
  expect(verdictOf(allow(["ls", "-l"]), { argv: ["ls", "-l", "-a"] })).toBe("deny");
  expect(verdictOf(allow(["ls"]), { argv: ["cat"] })).toBe("deny");
  expect(verdictOf(allow(["ls", "**"]), { command: "ls" })).toBe("deny");
  expect(verdictOf(allow(["ls", "**"]), { command: "ls; reboot" })).toBe("deny");
});

test("argv lets the caller of an allowed but missing command learn that it is missing", () => {
  expect(verdictOf(allow(["no-such-tool"]), { argv: ["no-such-tool"] })).toBe("allow");
  expect(verdictOf(allow(["other"]), { argv: ["no-such-tool"] })).toBe("deny");
});

test("argv and cwd deny when the facts are missing", () => {
  const facts = {} as CommandFacts;
  const withNames = { ...facts, names: [], argv: [] } as unknown as CommandFacts;
  expect(verdictOf(allow(["ls"]), withNames)).toBe("deny");
  expect(verdictOf(deny(["ls"]), withNames)).toBe("deny");
  const inCi = [{ allow: ["exec.run"], when: { cwd: ["/**"] } }];
  expect(verdictOf(inCi, withNames)).toBe("deny");
});

test("cwd allows commands in matching folders only", () => {
  const rules = [{ allow: ["exec.run"], when: { cwd: ["/ci/**"] } }];
  const facts = bench.facts({ argv: ["ls"] });
  expect(verdictOf(rules, { ...facts, cwd: "/ci/job" })).toBe("allow");
  expect(verdictOf(rules, { ...facts, cwd: "/ci_evil" })).toBe("deny");
  expect(verdictOf(rules, { ...facts, cwd: "/" })).toBe("deny");
});

test("cwd denies in matching folders", () => {
  const rules = [{ allow: ["exec.run"] }, { deny: ["exec.run"], when: { cwd: ["/secret/**"] } }];
  const facts = bench.facts({ argv: ["ls"] });
  expect(verdictOf(rules, { ...facts, cwd: "/secret" })).toBe("deny");
  expect(verdictOf(rules, { ...facts, cwd: "/secrets" })).toBe("allow");
});

test("attack 21: a renamed or planted copy is not what an allow rule names", () => {
  copyFileSync("/usr/bin/env", join(bench.folder, "ls"));
  symlinkSync("/usr/bin/env", join(bench.folder, "cat"));
  for (const word of ["./ls", join(bench.folder, "ls"), "./cat"]) {
    expect(verdictOf(allow(["ls", "**"], ["cat", "**"]), { argv: [word, "x"] })).toBe("deny");
  }
});

test("attack 21: a link to a multi-call program is allowed under its own name only", () => {
  const facts = bench.facts({ argv: ["ls", "/"] });
  const called = { ...facts, argv: ["/bin/rm", "ls"], path: "/bin/rm", names: ["rm"] };
  const busybox = { ...called, links: ["/bin/busybox"], executable: "/bin/busybox" };
  expect(verdictOf(allow(["ls", "**"]), busybox)).toBe("deny");
  expect(verdictOf(allow(["/bin/busybox", "ls"]), busybox)).toBe("deny");
  expect(verdictOf(allow(["rm", "**"]), busybox)).toBe("allow");
});

test("attack 21: wrappers around an allowed command are not the command", () => {
  for (const argv of [
    ["env", "ls"],
    ["sh", "-c", "ls"],
    ["xargs", "ls"],
    ["timeout", "1", "ls"],
    ["/lib64/ld-linux-x86-64.so.2", "/usr/bin/ls"],
  ]) {
    expect(verdictOf(allow(["ls", "**"]), { argv })).toBe("deny");
  }
});

test("attack 21: a deny rule holds for the command under all names it can see", () => {
  symlinkSync("/usr/bin/rm", join(bench.folder, "innocent"));
  for (const argv of [
    ["rm", "-rf", "/"],
    ["/usr/bin/rm", "-rf", "/"],
    ["/bin/rm", "-rf", "/"],
    ["./innocent", "-rf", "/"],
  ]) {
    expect(verdictOf(deny(["rm", "-rf", "**"]), { argv })).toBe("deny");
    expect(verdictOf(deny(["/bin/rm", "-rf", "**"]), { argv })).toBe("deny");
  }
});

test("attack 21: a deny rule sees through common wrappers and shell texts", () => {
  for (const request of [
    { argv: ["env", "rm", "-rf", "/"] },
    { argv: ["nice", "-n", "5", "/bin/rm", "x"] },
    { argv: ["xargs", "rm"] },
    { argv: ["find", "/", "-exec", "rm", "{}", ";"] },
    { argv: ["bash", "-c", "cd / && rm -rf x"] },
    { argv: ["/lib64/ld-linux-x86-64.so.2", "/usr/bin/rm", "x"] },
    { command: "true;rm -rf /" },
    { command: "x=$(/bin/rm y)" },
    { command: "echo a | xargs 'rm'" },
    { command: "if true\nthen\trm x; fi" },
  ]) {
    expect(verdictOf(deny(["rm", "**"]), request)).toBe("deny");
  }
});

test("attack 21: a deny rule leaves other commands alone", () => {
  for (const request of [
    { argv: ["ls", "rm"] },
    { command: "ls -l /tmp/rmdir" },
    { argv: ["env", "ls", "-rm"] },
  ]) {
    expect(verdictOf(deny(["rm", "**"]), request)).toBe("allow");
  }
});

test("attack 21: what a deny rule cannot promise, it says", () => {
  copyFileSync("/usr/bin/rm", join(bench.folder, "harmless"));
  expect(verdictOf(deny(["rm", "**"]), { argv: ["./harmless", "x"] })).toBe("allow");
  expect(verdictOf(deny(["rm", "**"]), { argv: ["python3", "-c", "os.remove('x')"] })).toBe(
    "allow",
  );
  expect(verdictOf(deny(["rm", "**"]), { command: "r\\m x" })).toBe("allow");
  expect(commandCaveats.argv?.cannot_promise).toMatch(
    /shells, interpreters, wrappers .* renamed copies/,
  );
  rmSync(join(bench.folder, "harmless"));
});

test("attack 21: hostile patterns and texts take no time", () => {
  const words = Array.from({ length: 4000 }, () => "a".repeat(30));
  const startMs = performance.now();
  verdictOf(allow(["ls", "**", "*a*a*a*b", "**"]), { argv: ["ls", ...words] });
  verdictOf(deny(["*a*a*a*b", "**"]), { command: "a".repeat(100_000) });
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

test("the value of argv must be lists of words", () => {
  for (const value of [[], [[]], ["ls"], "ls", [[1]], { argv: 1 }]) {
    expect(commandCaveats.argv?.value.safeParse(value).success).toBeFalse();
  }
});
