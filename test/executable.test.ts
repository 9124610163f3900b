// The compiled executable as a process: signals, exit codes, streams.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./harness/mesh.ts";

const operon = process.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../dist/operon");
const folder = mkdtempSync(join(tmpdir(), "operon-executable-"));
const home = join(folder, "home");
const env = { PATH: process.env.PATH ?? "", HOME: folder, OPERON_HOME: home, NO_COLOR: "1" };

function spawn(args: readonly string[], options: { stdin?: "pipe" | "ignore" } = {}) {
  return Bun.spawn([operon, ...args], {
    env,
    stdin: options.stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const process = spawn(args);
  const [out, err, code] = await Promise.all([
    new Response(process.stdout).text(),
    new Response(process.stderr).text(),
    process.exited,
  ]);
  return { code, out, err };
}

async function startDaemon(executable = operon, args = ["daemon", "start"]) {
  const daemon = Bun.spawn([executable, ...args], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = daemon.stdout.getReader();
  const { value } = await reader.read();
  expect(Buffer.from(value ?? []).toString()).toContain("listens on");
  reader.releaseLock();
  return daemon;
}

beforeAll(async () => {
  const made = await run(
    "onboard",
    "--yes",
    "--output-dir",
    home,
    "--node-id",
    "local",
    "--workspace",
    join(folder, "workspace"),
    "--listen",
    "127.0.0.1:0",
  );
  expect(made).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a link named operond starts the daemon, and a second one is refused", async () => {
  const daemon = await startDaemon(join(operon, "..", "operond"), ["start"]);
  expect(statSync(join(home, "daemon.sock")).mode & 0o777).toBe(0o600);
  const second = await run("daemon", "start");
  expect(second.code).toBe(7);
  expect(second.err).toContain("already runs");
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
});

test("a daemon plans its heap for a small machine, and nothing it starts does", async () => {
  const daemon = await startDaemon();
  // The daemon's own process: it began anew under the id it was started with.
  expect(readFileSync(`/proc/${daemon.pid}/environ`, "latin1")).toContain("BUN_JSC_forceRAMSize=");
  const { code, out } = await run("exec", "run", "local", "--", "env");
  expect({ code, hasPath: out.includes("PATH=") }).toEqual({ code: 0, hasPath: true });
  expect(out).not.toContain("BUN_");
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
});

test("a daemon that cannot begin anew, because its file is gone, serves as it is", async () => {
  const gone = join(folder, "gone");
  copyFileSync(operon, gone);
  const script = 'exec 9<"$0"; rm "$0"; exec /proc/self/fd/9 "$@"';
  const daemon = await startDaemon("bash", ["-c", script, gone, "daemon", "start"]);
  expect(readFileSync(`/proc/${daemon.pid}/environ`, "latin1")).not.toContain("BUN_JSC_");
  expect((await run("node", "info", "local")).code).toBe(0);
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
});

test("SIGTERM lets a running command end and its caller get the result", async () => {
  const daemon = await startDaemon();
  const command = spawn(["exec", "run", "local", "--", "echo begun; sleep 1; echo ended; exit 7"]);
  const reader = command.stdout.getReader();
  let out = Buffer.from((await reader.read()).value ?? []).toString();
  expect(out).toBe("begun\n");
  daemon.kill("SIGTERM");
  for (let next = await reader.read(); !next.done; next = await reader.read())
    out += Buffer.from(next.value).toString();
  expect(out).toBe("begun\nended\n");
  expect(await command.exited).toBe(7);
  expect(await daemon.exited).toBe(0);
});

test("attack 25: a daemon killed in mid-stream never looks like success", async () => {
  const daemon = await startDaemon();
  const command = spawn(["exec", "run", "local", "--", "yes"]);
  const reader = command.stdout.getReader();
  await reader.read();
  daemon.kill("SIGKILL");
  const drain = (async () => {
    for (let next = await reader.read(); !next.done; ) next = await reader.read();
  })();
  expect(await command.exited).toBe(255);
  await drain;
});

test("a daemon that was killed starts again, and the audit log verifies", async () => {
  const daemon = await startDaemon();
  expect((await run("audit", "verify")).code).toBe(0);
  daemon.kill("SIGTERM");
  await daemon.exited;
});

test("SIGINT cancels the command on the node and ends with 130", async () => {
  const daemon = await startDaemon();
  const marker = join(folder, "workspace", "pid");
  const command = spawn(["exec", "run", "local", "--", "echo $$ > pid; exec sleep 60"]);
  await until(
    () =>
      statSync(marker, { throwIfNoEntry: false })?.size !== undefined &&
      readFileSync(marker, "utf8").trim() !== "",
  );
  command.kill("SIGINT");
  expect(await command.exited).toBe(130);
  const pid = Number(readFileSync(marker, "utf8"));
  await until(() => !isAlive(pid));
  daemon.kill("SIGTERM");
  await daemon.exited;
});

test("a caller that is killed takes its command with it", async () => {
  const daemon = await startDaemon();
  const marker = join(folder, "workspace", "pid2");
  const command = spawn(["exec", "run", "local", "--", "echo $$ > pid2; exec sleep 60"]);
  await until(
    () =>
      statSync(marker, { throwIfNoEntry: false })?.size !== undefined &&
      readFileSync(marker, "utf8").trim() !== "",
  );
  command.kill("SIGKILL");
  await command.exited;
  await until(() => !isAlive(Number(readFileSync(marker, "utf8"))));
  daemon.kill("SIGTERM");
  await daemon.exited;
});

test("bytes pass exactly through stdin and stdout, and an idle stdin does not hold a finished command", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const whole = Buffer.concat(Array.from({ length: 80 }, () => bytes));
  const cat = spawn(["exec", "run", "local", "--", "cat"], { stdin: "pipe" });
  cat.stdin?.write(whole);
  cat.stdin?.end();
  expect(Buffer.compare(Buffer.from(await new Response(cat.stdout).arrayBuffer()), whole)).toBe(0);
  expect(await cat.exited).toBe(0);
  const quick = spawn(["exec", "run", "local", "--", "exit 3"], { stdin: "pipe" });
  expect(await quick.exited).toBe(3);
});

test("a bad configuration keeps the last good policy in force, and says so", async () => {
  const config = join(home, "config.yaml");
  const good = readFileSync(config, "utf8");
  const daemon = await startDaemon();
  const reader = daemon.stderr.getReader();
  writeFileSync(config, good.replace("roles:", "rolls:"));
  const said = Buffer.from((await reader.read()).value ?? []).toString();
  expect(said).toContain("the last good one stays in force");
  expect((await run("fs", "list", "local:/")).code).toBe(0);
  writeFileSync(config, good);
  daemon.kill("SIGTERM");
  await daemon.exited;
});

test("attack 33: exposed keys and configurations are refused", async () => {
  for (const [file, mode] of [
    ["key", 0o644],
    ["config.yaml", 0o666],
  ] as const) {
    const path = join(home, file);
    const content = readFileSync(path);
    rmSync(path);
    writeFileSync(path, content, { mode: 0o600 });
    Bun.spawnSync(["chmod", mode.toString(8), path]);
    const refused = await run("--json", "node", "list");
    expect(refused.code).toBe(7);
    expect(JSON.parse(refused.err)).toMatchObject({
      error: { code: "identity.file_exposed", exit_code: 7 },
    });
    Bun.spawnSync(["chmod", "600", path]);
  }
});

test("many commands without a daemon share one audit log", async () => {
  const codes = await Promise.all(
    Array.from(
      { length: 8 },
      async (_one, index) =>
        (await run("fs", "write", `local:/many-${index}`, "--content", "x")).code,
    ),
  );
  expect(codes).toEqual(Array.from({ length: 8 }, () => 0));
  const verified = await run("--json", "audit", "verify");
  expect(JSON.parse(verified.out)).toMatchObject({ ok: true });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
