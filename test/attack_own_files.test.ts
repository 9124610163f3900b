// Attack 23, end to end: a command of a running node, however it is started, and the node's own files.

import { expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtin } from "../src/builtin.ts";
import { landlockVersion } from "../src/capabilities/exec/launch/landlock.ts";
import { systemClock } from "../src/clock.ts";
import { Registry } from "../src/contract/registry.ts";
import { Node } from "../src/node/node.ts";
import { TestHome, TestNode, until } from "./harness/mesh.ts";

interface Ended {
  readonly protection: string;
  readonly limits_enforced: object;
}

/** What is to be expected here: `none` only where the kernel has nothing to protect with. */
const PROTECTIONS = landlockVersion() >= 2 ? ["namespace", "landlock"] : ["none"];

// Landlock, mount namespaces and control groups are Linux's: elsewhere commands run unprotected, and say so.
test.skipIf(process.platform !== "linux")(
  "attack 23: neither a call, a job nor a terminal gets at the node's own files, and each says what kept it",
  async () => {
    await using node = await TestNode.start({ name: "a", exec: "limits: { open_files: 64 }" });
    const { path, key_path, config_path } = node.test.home;
    const key = readFileSync(key_path, "utf8");
    const config = readFileSync(config_path, "utf8");
    const command = `cat ${key_path} ${config_path}; ls ${path}/audit; cat /proc/${process.pid}/root${key_path};
      echo x >> ${config_path}; echo x > ${path}/planted; ulimit -n; echo over`;

    const called = await node.call("local", "exec.run", { command });
    const started = await node.call("local", "exec.start", { command });
    const { id } = started.output as { id: string };
    const waited = await node.call("local", "exec.wait", { id });
    const logged = await node.call("local", "exec.logs", { id });
    const lines = logged.values as { stream: string; text?: string }[];
    const terminal = await node.call("local", "exec.session", { command });
    const again = await node.call("local", "exec.attach", {
      id: (terminal.output as { id: string }).id,
    });

    const ends = [called, waited, terminal, again].map(({ output }) => output as Ended);
    const { protection } = ends[0] as Ended;
    expect(protection).toBeOneOf(PROTECTIONS);
    for (const end of ends) {
      expect(end).toMatchObject({ protection, limits_enforced: { open_files: "rlimit" } });
    }
    const shown = [called.text, lines.map(({ text }) => text ?? "").join(""), terminal.text];
    for (const text of shown) {
      expect(text).toContain("64");
      expect(text).toContain("over");
    }
    if (protection === "none") return;
    for (const text of shown) {
      expect(text).not.toContain(key.trim().split("\n").at(-1) ?? key);
      expect(text).not.toContain("node_id: a");
      expect(text).not.toMatch(/\.jsonl/);
    }
    expect(readFileSync(config_path, "utf8")).toBe(config);
    expect(existsSync(`${path}/planted`)).toBeFalse();
  },
  120_000,
);

// Landlock, mount namespaces and control groups are Linux's: elsewhere commands run unprotected, and say so.
test.skipIf(process.platform !== "linux")(
  "attack 23: a configuration that is kept elsewhere is the node's own, too",
  async () => {
    using home = new TestHome({ name: "a" });
    const folder = join(home.folder, "elsewhere");
    mkdirSync(folder, { mode: 0o700 });
    const configPath = join(folder, "config.yaml");
    copyFileSync(home.home.config_path, configPath);
    await using node = await Node.open({
      home: home.home,
      configPath,
      key: home.key,
      registry: new Registry(Object.values(builtin)),
      clock: systemClock,
      version: "test",
      notice: () => {},
    });
    const command = `cat ${configPath}; echo "# planted" >> ${configPath}; echo over`;
    const call = node.call("local", "exec.run", { command });
    let text = "";
    for await (const chunk of call.chunks)
      if (chunk.kind === "bytes") text += Buffer.from(chunk.bytes).toString();
    const { protection } = (await call.output) as Ended;
    expect(protection).toBeOneOf(PROTECTIONS);
    expect(text).toContain("over");
    if (protection === "none") return;
    expect(text).not.toContain("node_id: a");
    expect(readFileSync(configPath, "utf8")).not.toContain("planted");
  },
  60_000,
);

test("attack 23: what starts a command beside the node takes nothing from the folder the command runs in", async () => {
  await using node = await TestNode.start({ name: "a" });
  const { workspace } = node.test;
  writeFileSync(join(workspace, "bunfig.toml"), 'preload = ["./planted.ts"]\n');
  writeFileSync(join(workspace, "planted.ts"), 'await Bun.write(import.meta.dir + "/taken", "");');
  const started = await node.call("local", "exec.start", { command: "pwd" });
  const { id } = started.output as { id: string };
  expect((await node.call("local", "exec.wait", { id })).output).toMatchObject({ exit_code: 0 });
  const { values } = await node.call("local", "exec.logs", { id });
  expect(values).toMatchObject([{ text: `${workspace}\n` }]);
  expect((await node.call("local", "exec.session", { command: "pwd" })).text).toContain(workspace);
  expect(existsSync(join(workspace, "taken"))).toBeFalse();
}, 60_000);

/** Says whether whoever listens on a socket lets its caller in: else the connection is closed at once. */
const KNOCK = `
  const socket = require("node:net").connect(process.argv[1], () => setTimeout(() => say("let in"), 500));
  socket.on("error", () => {}).on("close", () => say("turned away"));
  const say = (text) => { console.log(text); process.exit(); };`;

// Elsewhere nothing tells a command from its node.
test.skipIf(process.platform !== "linux")(
  "attack 23: a command is turned away at the node's socket, and at those of others' jobs and terminals",
  async () => {
    await using node = await TestNode.start({ name: "a", exec: "protect: off" });
    const { socket_path, state_path } = node.test.home;
    const started = await node.call("local", "exec.start", { command: "sleep 600" });
    const { id: job } = started.output as { id: string };
    const terminal = (await node.caller()).call("local", "exec.session", { command: "sleep 600" });
    terminal.output.catch(() => {});
    const idsOfSessions = async () => {
      const { output } = await node.call("local", "exec.sessions", {});
      return (output as { sessions: { id: string }[] }).sessions.map(({ id }) => id);
    };
    await until(async () => (await idsOfSessions()).length > 0, 30_000);
    const [session = ""] = await idsOfSessions();
    const sockets = [socket_path, join(state_path, "exec", session, "socket")];
    sockets.push(join(state_path, "exec", "jobs", job, "in"));
    for (const path of sockets) {
      await until(() => existsSync(path), 30_000);
      const argv = [process.execPath, "-e", KNOCK, path];
      expect([path, (await node.call("local", "exec.run", { argv })).text]).toEqual([
        path,
        "turned away\n",
      ]);
      const child = Bun.spawn(argv, { stdout: "pipe" });
      expect([path, await new Response(child.stdout).text()]).toEqual([path, "let in\n"]);
    }
    terminal.cancel();
    await node.call("local", "exec.hangup", { id: session });
    await node.call("local", "exec.cancel", { id: job });
  },
  120_000,
);
