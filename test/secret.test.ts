// Secrets of a node as commands use them, over real nodes: who gets one, and that nobody else sees it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { TestHome, TestNode, textStream, until } from "./harness/mesh.ts";
import { TypedTerminal } from "./harness/terminal.ts";

const MAIN = join(dirname(import.meta.dir), "src/main.ts");

/** Of this run alone: its processes are looked for among all of this machine. */
const OWN = process.pid;
const VALUE = `hunter2/+${OWN}ä geheim&more`;
/** As much of it as stands in no command of these tests. */
const MARK = `hunter2/+${OWN}`;

let caller: TestNode;
let node: TestNode;

/** Rules of two roles: the node's own may do all, the caller's run commands and use one secret. */
function policy(own: string, other: string): string {
  return `  principals:
    own: { key: "${own}", roles: [owner] }
    caller: { key: "${other}", roles: [runner] }
  roles:
    owner:
      - allow: [node.*, exec.*, secret.*, audit.*, trace.*, fs.*, policy.*]
    runner:
      - allow: [node.*, exec.*, trace.*]
      - allow: [secret.use]
        on: ["secret:TOKEN", "secret:GONE", "secret:FROM_*"]`;
}

beforeAll(async () => {
  const home = new TestHome({ name: "caller" });
  const served = new TestHome({ name: "served", policy: (own) => policy(own, home.id) });
  node = await TestNode.start(served);
  home.configure({
    name: "caller",
    nodes: ` served: { endpoint: "ws://127.0.0.1:${node.port}", key: "${served.id}" } `,
  });
  caller = await TestNode.start(home);
  await set("TOKEN", VALUE);
  await set("OTHER", "another-value");
});
afterAll(async () => {
  await caller[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
});

const set = async (name: string, value: string) => {
  const options = { outgoing: textStream(value) };
  return (await node.call("local", "secret.set", { name }, options)).error;
};
const run = (command: string, secrets: readonly string[] = ["TOKEN"]) =>
  caller.call("served", "exec.run", { command, secrets });

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}

const ONE_ENVIRONMENT = { commandLines: 0, environments: 1, commandsEnvironment: true };

/** Where the processes of this machine show the secret while this command runs. */
async function processesShowing(argv: readonly string[]) {
  const line = argv.map((word) => `${word}\0`).join("");
  const read = (pid: string, name: string) => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "utf8");
    } catch {
      return "";
    }
  };
  const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  await until(() => pids().some((pid) => read(pid, "cmdline") === line), 30_000);
  const showing = (name: string) => pids().filter((pid) => read(pid, name).includes(MARK));
  const environments = showing("environ");
  return {
    commandLines: showing("cmdline").length,
    environments: environments.length,
    commandsEnvironment: environments.some((pid) => read(pid, "cmdline") === line),
  };
}

describe("a command that is given a secret", () => {
  test("finds it as a variable, and nobody sees it in the output", async () => {
    const { text, error } = await run('echo "<$TOKEN>"; test -n "$TOKEN" && echo there');
    expect(error).toBeUndefined();
    expect(text).toBe("<[redacted TOKEN]>\nthere\n");
  });

  test("does not show it on standard error, in base64, in a URL or in pieces", async () => {
    expect((await run('echo "$TOKEN" >&2')).text).toBe("[redacted TOKEN]\n");
    for (const before of ["", "a", "ab"]) {
      const { text } = await run(`printf %s "${before}$TOKEN" | base64`);
      expect(text).toContain("[redacted TOKEN]");
      expect(text.replace("[redacted TOKEN]", "").length).toBeLessThan(6);
    }
    const url = encodeURIComponent(VALUE);
    expect((await run(`echo '${url}'`)).text).toBe("[redacted TOKEN]\n");
    const split = await run(
      `printf 'hunt'; sleep 0.2; printf 'er2/+${OWN}ä'; sleep 0.2; printf ' geheim&more\\n'`,
    );
    expect(split.text).toBe("[redacted TOKEN]\n");
  });

  test("has it in its environment only: no command line of any process names it", async () => {
    const cancel = new AbortController();
    const input = { command: `exec sleep 17.${OWN}`, secrets: ["TOKEN"] };
    const running = caller.call("served", "exec.run", input, { signal: cancel.signal });
    expect(await processesShowing(["sleep", `17.${OWN}`])).toEqual(ONE_ENVIRONMENT);
    cancel.abort();
    expect((await running).error?.kind).toBe("cancelled");
  });

  test("is refused when policy does not allow that secret, and exec.* alone allows none", async () => {
    for (const name of ["OTHER", "NO_SUCH_SECRET"]) {
      const { error } = await run("true", [name]);
      expect(error?.code).toBe("policy.denied");
    }
    expect((await run("true", ["TOKEN", "OTHER"])).error?.code).toBe("policy.denied");
  });

  test("is refused with an error of its own when there is no such secret", async () => {
    const { error } = await run("true", ["GONE"]);
    expect(error?.code).toBe("exec.secret_unknown");
    expect(error?.data).toEqual({ name: "GONE" });
  });

  test("never sees one it did not name", async () => {
    expect((await run('echo "[$TOKEN]"', [])).text).toBe("[]\n");
  });
});

test("a job's log on disk and its record hold no value", async () => {
  const input = { command: 'echo "$TOKEN"; printf %s "$TOKEN" | base64', secrets: ["TOKEN"] };
  const { output } = await caller.call("served", "exec.start", input);
  const { id } = output as { id: string };
  await caller.call("served", "exec.wait", { id });
  const { values } = await caller.call("served", "exec.logs", { id });
  const text = values.map((value) => (value as { text: string }).text).join("");
  expect(text).toBe("[redacted TOKEN]\n[redacted TOKEN]\n");
});

test("a session shows and records none", async () => {
  const call = (await caller.caller()).call("served", "exec.session", {
    command: 'echo "$TOKEN"',
    secrets: ["TOKEN"],
    record: true,
  });
  let shown = "";
  for await (const chunk of call.chunks)
    if (chunk.kind === "bytes" && chunk.channel === 0) shown += Buffer.from(chunk.bytes);
  const { id } = (await call.output) as { id: string };
  expect(shown).toContain("[redacted TOKEN]");
  expect(shown).not.toContain(MARK);
  const { text } = await caller.call("served", "exec.replay", { id, raw: true });
  expect(text).toContain("[redacted TOKEN]");
});

test("no process beside a job or a terminal has its secret, nor does a command line name it", async () => {
  const input = { command: `exec sleep 18.${OWN}`, secrets: ["TOKEN"] };
  const job = await caller.call("served", "exec.start", input);
  expect(await processesShowing(["sleep", `18.${OWN}`])).toEqual(ONE_ENVIRONMENT);
  const { id } = job.output as { id: string };
  expect((await caller.call("served", "exec.cancel", { id })).error).toBeUndefined();
  const session = { command: `exec sleep 19.${OWN}`, secrets: ["TOKEN"] };
  const terminal = caller.call("served", "exec.session", session);
  expect(await processesShowing(["sleep", `19.${OWN}`])).toEqual(ONE_ENVIRONMENT);
  let mine: { id: string; state: string } | undefined;
  await until(async () => {
    const { output } = await caller.call("served", "exec.sessions", {});
    const { sessions } = output as { sessions: { id: string; state: string }[] };
    mine = sessions.find(({ state }) => state === "running");
    return mine !== undefined;
  }, 30_000);
  const ended = await caller.call("served", "exec.hangup", { id: mine?.id });
  expect(ended.error).toBeUndefined();
  await terminal;
});

test("a workflow's step is given one by name, and its trace has the name only", async () => {
  const { home, folder } = caller.test;
  const file = join(folder, "workflow.yaml");
  const trace = join(folder, "trace.json");
  const steps = [
    '{ id: use, node: served, action: exec.run, command: "echo $TOKEN", secrets: [TOKEN] }',
    `{ id: keep, node: local, action: fs.write, path: /out, content: "\${{ steps.use.stdout }}" }`,
  ];
  writeFileSync(
    file,
    `name: with a secret\nsteps:\n${steps.map((step) => `  - ${step}\n`).join("")}`,
  );
  const argv = [process.execPath, MAIN, "--home", home.path, "run", "--trace-output", trace, file];
  const child = Bun.spawn(argv, { stdout: "pipe", stderr: "pipe" });
  const shown = await new Response(child.stdout).text();
  const problems = await new Response(child.stderr).text();
  expect(await child.exited, problems).toBe(0);
  expect(readFileSync(join(caller.test.workspace, "out"), "utf8")).toBe("[redacted TOKEN]");
  expect(readFileSync(trace, "utf8")).toContain('"TOKEN"');
  expect(shown + problems + readFileSync(trace, "utf8")).not.toContain(MARK);
  expect(filesBelow(home.traces_path).length).toBeGreaterThan(0);
});

test("on a terminal a value is asked for and not shown, and the terminal is as it was", async () => {
  const command = [process.execPath, MAIN, "--home", node.test.home.path, "secret", "set", "local"];
  const script = '"$@" TYPED; echo "first: $?"; "$@" NEVER; echo "second: $?"; stty -a';
  await using terminal = new TypedTerminal({
    argv: ["/bin/sh", "-c", script, "sh", ...command],
    env: { PATH: process.env.PATH ?? "", HOME: node.test.folder },
  });
  await terminal.until("Value (not shown): ");
  terminal.type("typed-valueX\x7fs");
  terminal.type("\r");
  await terminal.until("first: 0");
  await terminal.until("Value (not shown): ");
  terminal.type("never-kept\x03");
  await terminal.until("second: ");
  await terminal.until(" icanon ");
  await terminal.until(" echo ");
  expect(terminal.text).not.toMatch(/typed-value|never-kept|second: 0/);
  const { output } = await node.call("local", "secret.list", {});
  const names = (output as { secrets: { name: string }[] }).secrets.map(({ name }) => name);
  expect(names).toContain("TYPED");
  expect(names).not.toContain("NEVER");
  const input = { command: 'test "$TYPED" = typed-values && echo same', secrets: ["TYPED"] };
  expect((await node.call("local", "exec.run", input)).text).toBe("same\n");
});

test("nothing the nodes keep holds the value but the file of secrets", () => {
  const store = join(node.test.home.path, "secrets.yaml");
  const files = [node, caller].flatMap(({ test }) => filesBelow(test.home.path));
  const holding = files.filter((path) => readFileSync(path).includes(MARK));
  expect(holding).toEqual([store]);
  expect([...node.notices, ...caller.notices].join("\n")).not.toContain(MARK);
});

test("a value that was changed is the next command's, without a restart", async () => {
  await set("TOKEN", "a-second-value");
  expect((await run('test "$TOKEN" = a-second-value && echo new')).text).toBe("new\n");
  await set("TOKEN", VALUE);
});

test("a file of secrets others can read is refused, with what to do", async () => {
  const store = join(node.test.home.path, "secrets.yaml");
  chmodSync(store, 0o644);
  expect((await run("true")).error?.code).toBe("exec.secret_unusable");
  const { error } = await node.call("local", "secret.list", {});
  expect(error?.code).toBe("identity.file_exposed");
  expect(error?.hint).toBe(`Run: chmod 600 ${store}`);
  chmodSync(store, 0o600);
  expect((await run("true")).error).toBeUndefined();
});

test("references are resolved when they are used, and the configuration is taken over at once", async () => {
  const { home } = node.test;
  const file = join(home.path, "token");
  writeFileSync(file, "from-a-file-1\n", { mode: 0o600 });
  process.env.OPERON_TEST_SECRET = "from-a-variable";
  process.env.CREDENTIALS_DIRECTORY = home.path;
  const before = readFileSync(home.config_path, "utf8");
  const names = [
    "FROM_FILE: file:token",
    "FROM_ENV: env:OPERON_TEST_SECRET",
    "FROM_SYSTEMD: credential:token",
    "FROM_PROGRAM: { exec: [/bin/echo, from-a-program] }",
    "FROM_NOWHERE: env:OPERON_TEST_NO_SUCH_VARIABLE",
    "FROM_FAILURE: { exec: [/bin/false] }",
  ];
  writeFileSync(home.config_path, `${before}\nsecrets: { names: { ${names.join(", ")} } }\n`);
  type Checked = { name: string; kind: string; ok: boolean };
  const checked = async () => {
    const { output } = await node.call("local", "secret.check", {});
    const { ok, exit_code } = output as { ok: boolean; exit_code: number };
    expect(exit_code).toBe(ok ? 0 : 1);
    return (output as { secrets: Checked[] }).secrets.filter(({ name }) => name.startsWith("FROM"));
  };
  let secrets: Checked[] = [];
  const end = Date.now() + 30_000;
  while (secrets.length < names.length && Date.now() < end) secrets = await checked();
  expect(secrets.map(({ name, kind, ok }) => [name, kind, ok])).toEqual([
    ["FROM_ENV", "env", true],
    ["FROM_FAILURE", "exec", false],
    ["FROM_FILE", "file", true],
    ["FROM_NOWHERE", "env", false],
    ["FROM_PROGRAM", "exec", true],
    ["FROM_SYSTEMD", "credential", true],
  ]);
  const expected = ["from-a-variable", "from-a-file-1", "from-a-program", "from-a-file-1"];
  const good = ["FROM_ENV", "FROM_FILE", "FROM_PROGRAM", "FROM_SYSTEMD"];
  const compare = good.map((name, at) => `test "$${name}" = ${expected[at]}`).join(" && ");
  expect((await run(`${compare} && echo same`, good)).text).toBe("same\n");
  writeFileSync(file, "from-a-file-2\n", { mode: 0o600 });
  expect((await run('test "$FROM_FILE" = from-a-file-2 && echo same', ["FROM_FILE"])).text).toBe(
    "same\n",
  );
  expect((await set("FROM_FILE", "a-value-of-mine"))?.code).toBe("secret.configured");
  await keepsFromCommands(join(node.test.folder, "token-outside"));
});

/** A file that holds a secret is the node's own wherever it is: commands have it by leave of policy only. */
async function keepsFromCommands(path: string) {
  const { home } = node.test;
  writeFileSync(path, "from-outside-the-home", { mode: 0o600 });
  const text = readFileSync(home.config_path, "utf8");
  writeFileSync(home.config_path, text.replace("file:token", `file:${path}`));
  await until(async () => {
    const has = 'test "$FROM_FILE" = from-outside-the-home && echo taken-over';
    return (await run(has, ["FROM_FILE"])).text !== "";
  }, 30_000);
  const { text: shown, output } = await run(`cat ${path}`, []);
  const { protection } = output as { protection: string };
  expect(shown).toBe(protection === "none" ? "from-outside-the-home" : "");
}

test("a rule may give a secret to exact commands only", async () => {
  const { home } = node.test;
  const text = readFileSync(home.config_path, "utf8");
  const rule = `on: ["secret:TOKEN", "secret:GONE", "secret:FROM_*"]`;
  const when = `when: { argv: [[/usr/bin/printenv, TOKEN]] }`;
  writeFileSync(home.config_path, text.replace(rule, `${rule}\n        ${when}`));
  await until(async () => (await run("true")).error?.code === "policy.denied", 30_000);
  const words = (...argv: string[]) =>
    caller.call("served", "exec.run", { argv, secrets: ["TOKEN"] });
  expect((await words("/usr/bin/printenv", "TOKEN")).text).toBe("[redacted TOKEN]\n");
  for (const argv of [["/usr/bin/printenv"], ["/usr/bin/env"], ["sh", "-c", "printenv TOKEN"]])
    expect((await words(...argv)).error?.code).toBe("policy.denied");
  const { error } = await caller.call("served", "secret.use", { name: "TOKEN" });
  expect(error?.code).toBe("policy.denied");
  writeFileSync(home.config_path, text);
  await until(async () => (await run("true")).error === undefined, 30_000);
});

test("a value that cannot be kept out of output, or is no text, is refused", async () => {
  expect((await set("SHORT", "1234567"))?.code).toBe("secret.unusable");
  expect((await set("NUL", "12345678\0"))?.code).toBe("secret.unusable");
  expect((await set("LONG", "x".repeat(64 * 1024 + 1)))?.code).toBe("secret.unusable");
  expect((await set("PATH", "/tmp/somewhere"))?.code).toBe("node.input_invalid");
  expect((await set("LD_PRELOAD", "/tmp/evil.so"))?.code).toBe("node.input_invalid");
});

test("a removed secret is gone, and its absence is an error", async () => {
  await set("PASSING", "for-a-moment");
  const call = (name: string) => node.call("local", "secret.remove", { name });
  expect((await call("PASSING")).error).toBeUndefined();
  expect((await call("PASSING")).error?.code).toBe("secret.unknown");
});
