// Secrets of a node as commands use them, over real nodes: who gets one, and that nobody else sees it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestHome, TestNode, textStream, until } from "./harness/mesh.ts";

const VALUE = "hunter2/+ä geheim&more";
/** As much of it as stands in no command of these tests. */
const MARK = "hunter2/+";

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
      `printf 'hunt'; sleep 0.2; printf 'er2/+ä'; sleep 0.2; printf ' geheim&more\\n'`,
    );
    expect(split.text).toBe("[redacted TOKEN]\n");
  });

  test("has it in its environment only: no command line of any process names it", async () => {
    const cancel = new AbortController();
    const input = { command: "exec sleep 41.17", secrets: ["TOKEN"] };
    const running = caller.call("served", "exec.run", input, { signal: cancel.signal });
    const commandLines = () =>
      readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, "utf8");
          } catch {
            return "";
          }
        });
    let seen: string[] = [];
    await until(() => {
      seen = commandLines();
      return seen.some((line) => line.startsWith("sleep\x0041.17"));
    }, 30_000);
    expect(seen.filter((line) => line.includes(MARK))).toEqual([]);
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
