// From a fresh clone to the main job: two nodes on this machine, joined by an invitation, a workflow over both, its trace,
// a refusal with the rule behind it, and both audit logs verified. Everything shown is a command of the real CLI.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";

const operon = build();
const folder = mkdtempSync(join(tmpdir(), "operon-quickstart-"));
const daemons = [];
const homes = { a: join(folder, "a"), b: join(folder, "b") };

const WORKFLOW = `name: count words
steps:
  - { id: write, node: a, action: fs.write, path: /words.txt, content: "reach is not permission\\n" }
  - { id: read, node: a, action: fs.read, path: /words.txt }
  - { id: count, node: b, action: exec.run, argv: [wc, -w], content: "\${{ steps.read.content }}" }
  - { id: bring, node: a, action: fs.write, path: /result.txt, content: "\${{ steps.count.stdout }}" }
`;

process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

try {
  await main();
  await stopDaemons();
  console.log("\nEverything worked. Next: README.md, or operon onboard on a machine of yours.");
} catch (error) {
  console.error(`\nThe quick start failed: ${error.message}`);
  process.exit(1);
}

async function main() {
  say("Two machines: each has a home with a key of its own, a workspace, and a policy");
  const ports = { a: await freePort(), b: await freePort() };
  for (const name of ["a", "b"]) {
    run(
      name,
      [
        "onboard",
        "--yes",
        "--role",
        "both",
        "--output-dir",
        homes[name],
        "--node-id",
        name,
        "--workspace",
        join(folder, `workspace-${name}`),
        "--listen",
        `127.0.0.1:${ports[name]}`,
      ],
      { isQuiet: true },
    );
    if (name === "a") addRule();
    await startDaemon(name);
  }

  say("The first invites, the second joins: one command on each");
  const code = run("a", ["node", "invite", "--role", "operator", "--json"], { hides: "code" });
  run("b", ["node", "join", JSON.parse(code).code], { shown: ["node", "join", "CODE"] });
  run("b", ["node", "list"]);
  run("b", ["node", "ping", "a"]);

  say(
    "A workflow on the second: write a file on a, read it, run a real command on b that uses it, bring the result to a",
  );
  const workflow = join(folder, "workflow.yaml");
  writeFileSync(workflow, WORKFLOW);
  console.log(indent(WORKFLOW));
  const trace = join(folder, "trace.json");
  run("b", ["run", "--trace-output", trace, workflow]);
  const result = run("b", ["fs", "read", "a:/result.txt"]);
  if (result.trim() !== "4") throw new Error(`the workflow's result is "${result.trim()}"`);
  run("b", ["trace", "show", trace]);

  say("What policy forbids is refused, and the rule that refused it is named");
  mkdirSync(join(folder, "workspace-a", "secrets"), { recursive: true });
  writeFileSync(join(folder, "workspace-a", "secrets", "key"), "hunter2\n");
  run("b", ["fs", "read", "a:/secrets/key"], { expects: 5 });
  run("b", ["capability", "explain", "a", "fs:workspace", "read", "/secrets/key"]);

  say("Both audit logs hold who asked for what, and both chains verify");
  run("b", ["audit", "list", "a", "--limit", "3", "--allowed", "false"]);
  run("a", ["audit", "verify"]);
  run("b", ["audit", "verify"]);
}

/** What an owner would do in an editor: one more rule for a role. */
function addRule() {
  const path = join(homes.a, "config.yaml");
  const rule = '      - deny: [fs.*]\n        on: ["fs:workspace/secrets/**"]\n';
  const text = readFileSync(path, "utf8");
  const changed = text.replace("    operator:\n", `    operator:\n${rule}`);
  if (changed === text) throw new Error("the configuration has no role operator");
  writeFileSync(path, changed);
  console.log(`a$ $EDITOR ${shorten(path)}   # under roles: operator:\n${rule.trimEnd()}`);
}

function say(text) {
  console.log(`\n# ${text}`);
}

/** Runs a command as a user of one of the machines would; returns what it printed. */
function run(name, args, { shown = args, expects = 0, isQuiet = false, hides } = {}) {
  console.log(`${name}$ operon ${shown.map((arg) => shorten(quote(arg))).join(" ")}`);
  const result = spawnSync(operon, args, {
    env: environment(name),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 30_000,
  });
  const output = `${result.stdout}${result.stderr}`;
  if (hides) console.log(indent(`{"${hides}":"operon1-…"}`));
  else if (!isQuiet && output.trim() !== "") console.log(indent(shorten(output.trimEnd())));
  if (result.status === expects) return result.stdout;
  throw new Error(
    `operon ${shown.join(" ")} ended with ${result.status ?? result.signal}, not ${expects}\n${output}`,
  );
}

async function startDaemon(name) {
  console.log(`${name}$ operon daemon start &`);
  const daemon = spawn(operon, ["daemon", "start"], {
    env: environment(name),
    stdio: ["ignore", "pipe", "pipe"],
  });
  daemons.push(daemon);
  let output = "";
  await new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the daemon of ${name} did not start in 10 s\n${output}`)),
      10_000,
    );
    const look = (data) => {
      output += data;
      if (!output.includes("listens on")) return;
      clearTimeout(timer);
      resolve();
    };
    daemon.stdout.on("data", look);
    daemon.stderr.on("data", (data) => {
      output += data;
    });
    daemon.on("exit", () => {
      clearTimeout(timer);
      reject(new Error(`the daemon of ${name} ended\n${output}`));
    });
  });
  console.log(indent(output.trimEnd()));
}

async function stopDaemons() {
  await Promise.all(
    daemons.map(async (daemon) => {
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      if (daemon.exitCode !== null || !daemon.kill("SIGTERM")) return;
      await ended;
      if (daemon.exitCode !== 0)
        throw new Error(`a daemon ended with ${daemon.exitCode ?? daemon.signalCode}`);
    }),
  );
}

function cleanUp() {
  for (const daemon of daemons) if (daemon.exitCode === null) daemon.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

function environment(name) {
  const { PATH, LANG, TMPDIR } = process.env;
  return { PATH, LANG, TMPDIR, HOME: folder, OPERON_HOME: homes[name], NO_COLOR: "1" };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function quote(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function shorten(text) {
  return text.replaceAll(folder, "$T");
}

function indent(text) {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}
