// Commands that outlive their caller, their daemon and even the process that looks after them: real processes, real daemons.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { KeyPair } from "../src/identity/key.ts";
import { operatorPolicy, TestHome, TestNode, until } from "./harness/mesh.ts";

let home: TestHome;
let node: TestNode;
const stranger = KeyPair.generate();

beforeAll(async () => {
  home = new TestHome({
    name: "jobs",
    policy: (own) => operatorPolicy(own, stranger.publicKey.id),
  });
  node = await TestNode.start(home);
});
afterAll(() => node[Symbol.asyncDispose]());

async function start(command: string, more: object = {}): Promise<string> {
  const { output, error } = await node.call("local", "exec.start", { command, ...more });
  expect(error).toBeUndefined();
  return (output as { id: string }).id;
}

const call = (operation: string, input: object, options = {}) =>
  node.call("local", `exec.${operation}`, input, options);
const status = async (id: string) =>
  (await call("status", { id })).output as Record<string, unknown>;
const wait = async (id: string) => (await call("wait", { id })).output as Record<string, unknown>;

/** What the pieces of a log are, joined. */
function bytesOf(values: readonly unknown[], stream = "stdout"): Buffer {
  const pieces = values as { stream: string; text?: string; base64?: string }[];
  return Buffer.concat(
    pieces
      .filter((piece) => piece.stream === stream)
      .map(({ text, base64 }) =>
        base64 === undefined ? Buffer.from(text!) : Buffer.from(base64, "base64"),
      ),
  );
}

async function* chunks(...texts: string[]) {
  for (const text of texts) yield new TextEncoder().encode(text);
  return undefined;
}

function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Children of this process, which is the daemon here, that have ended and were not waited for. */
function zombies(): readonly string[] {
  const children = readdirSync("/proc/self/task").flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, "latin1").split(" ").filter(Boolean),
  );
  return children.filter((pid) => !lives(Number(pid)));
}

describe("a job", () => {
  test("goes on without its caller and tells how it ended", async () => {
    const id = await start("echo out; echo err >&2; exit 7");
    expect(await wait(id)).toMatchObject({
      state: "exited",
      exit_code: 7,
      stdout_bytes: 4,
      stderr_bytes: 4,
    });
    const { values, output } = await call("logs", { id });
    expect(bytesOf(values).toString()).toBe("out\n");
    expect(bytesOf(values, "stderr").toString()).toBe("err\n");
    expect(output).toMatchObject({
      state: "exited",
      exit_code: 7,
      next_sequence: 2,
      dropped_bytes: 0,
    });
  });

  test("keeps output byte for byte, text as text and the rest as base64", async () => {
    const id = await start(
      `printf 'caf\\303\\251'; sleep 0.05; printf '\\377\\000\\n'; sleep 0.05; seq 1000`,
    );
    await wait(id);
    const { values } = await call("logs", { id });
    const lines = Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join("");
    expect(bytesOf(values)).toEqual(
      Buffer.concat([Buffer.from("café"), Buffer.from([0xff, 0, 0x0a]), Buffer.from(lines)]),
    );
    expect(values.some((piece) => "base64" in (piece as object))).toBe(true);
  });

  test("shows the last lines, one output, or from a number on", async () => {
    const id = await start("for n in 1 2 3 4; do echo $n; echo e$n >&2; sleep 0.02; done");
    await wait(id);
    const tail = await call("logs", { id, tail: 2, stream: "stdout" });
    expect(bytesOf(tail.values).toString()).toBe("3\n4\n");
    const from = await call("logs", { id, from: 6 });
    expect((from.values as { sequence: number }[]).map(({ sequence }) => sequence)).toEqual([6, 7]);
    expect(bytesOf((await call("logs", { id, tail: 0 })).values).byteLength).toBe(0);
  });

  test("is followed while it runs, to its end", async () => {
    const id = await start("read line; echo got $line; read line; echo and $line");
    const following = call("logs", { id, follow: true });
    await call("stdin", { id }, { outgoing: chunks("one\n") });
    await until(
      async () => bytesOf((await call("logs", { id })).values).toString() === "got one\n",
    );
    const sent = await call("stdin", { id, close: true }, { outgoing: chunks("tw", "o\n") });
    expect(sent.output).toEqual({ accepted_bytes: 4, closed: true });
    const { values, output } = await following;
    expect(bytesOf(values).toString()).toBe("got one\nand two\n");
    expect(output).toMatchObject({ state: "exited" });
  });

  test("loses nothing of content that is closed at once, and takes no more after it", async () => {
    const id = await start("cat; sleep 60");
    await call("stdin", { id, close: true }, { outgoing: chunks("x".repeat(300_000)) });
    await until(async () => bytesOf((await call("logs", { id })).values).byteLength === 300_000);
    const late = await call("stdin", { id }, { outgoing: chunks("late") });
    expect(late.error?.code).toBe("exec.ended");
    await call("cancel", { id });
  });

  test("attack 24: is ended with double-forked, setsid and TERM-ignoring children", async () => {
    const id = await start(
      `trap '' TERM; (setsid sh -c 'trap "" TERM; echo $$; exec sleep 600' &) ; (sh -c 'echo $$; exec sleep 600' & ) ; sleep 600`,
    );
    const pids = async () =>
      bytesOf((await call("logs", { id })).values)
        .toString()
        .trim()
        .split("\n")
        .map(Number);
    await until(async () => (await pids()).filter((pid) => pid > 0).length === 2);
    expect((await call("cancel", { id })).output).toMatchObject({ state: "cancelled" });
    for (const pid of await pids()) expect(lives(pid)).toBe(false);
    expect((await call("wait", { id })).output).toMatchObject({ exit_code: 143 });
  });

  test("attack 24: is ended in time, with what it left in the background", async () => {
    const id = await start("(setsid sleep 600 &); echo $$; sleep 600", { timeout_secs: 0.3 });
    expect(await wait(id)).toMatchObject({ state: "timed_out", exit_code: 124 });
    const [pid] = bytesOf((await call("logs", { id })).values)
      .toString()
      .split("\n")
      .map(Number);
    expect(lives(pid!)).toBe(false);
  });

  test("attack 24: leaves no zombie when it is cancelled", async () => {
    // From its first command on the node inherits what its helpers leave.
    expect((await call("run", { command: "true" })).error).toBeUndefined();
    // Other tests of this process may have left it some that nobody waits for.
    const before = new Set(zombies());
    const left = () => zombies().filter((pid) => !before.has(pid));
    const ids = await Promise.all(Array.from({ length: 20 }, () => start("sleep 60 & sleep 60")));
    await Promise.all(ids.map((id) => call("cancel", { id })));
    await until(() => left().length === 0, 20_000);
    expect(left()).toEqual([]);
  });

  test("attack 32: is not found by another principal, nor listed", async () => {
    const id = await start("sleep 60");
    const other = await node.caller(stranger);
    for (const operation of ["status", "logs", "cancel", "wait", "stdin"]) {
      const made = other.call("local", `exec.${operation}`, { id }, { outgoing: chunks("x") });
      await expect(made.output).rejects.toMatchObject({ code: "exec.unknown" });
    }
    const { jobs } = (await other.call("local", "exec.list", {}).output) as { jobs: unknown[] };
    expect(jobs).toEqual([]);
    await other[Symbol.asyncDispose]();
    expect(await status(id)).toMatchObject({ state: "running" });
    await call("cancel", { id });
  });

  test("is not started when its command does not exist, and leaves nothing", async () => {
    const before = ((await call("list", {})).output as { jobs: unknown[] }).jobs.length;
    const { error } = await call("start", { argv: ["no-such-command"] });
    expect(error?.code).toBe("exec.not_found");
    expect(((await call("list", {})).output as { jobs: unknown[] }).jobs.length).toBe(before);
  });

  test("keeps no secret of its environment on disk or in a command line", async () => {
    const id = await start("sleep 60", { env: { LANG: "tr0ub4dor" } });
    const folder = join(home.home.path, "state/exec/jobs", id);
    const { pid } = JSON.parse(readFileSync(join(folder, "supervisor.json"), "utf8"));
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("tr0ub4dor");
    expect(Bun.spawnSync(["grep", "-rl", "tr0ub4dor", folder]).stdout.toString()).toBe("");
    await call("cancel", { id });
  });
});

describe("a job whose surroundings die", () => {
  test("goes on while the daemon restarts, and is found again", async () => {
    const id = await start("echo before; read line; echo after $line; exit 5");
    await node.stop();
    node = await TestNode.start(home);
    expect(await status(id)).toMatchObject({ state: "running" });
    await call("stdin", { id, close: true }, { outgoing: chunks("restart\n") });
    expect(await wait(id)).toMatchObject({ state: "exited", exit_code: 5 });
    expect(bytesOf((await call("logs", { id })).values).toString()).toBe("before\nafter restart\n");
  });

  test("is lost when the process that looks after it is killed, and ended", async () => {
    const id = await start("echo $$; sleep 600");
    await until(async () => bytesOf((await call("logs", { id })).values).byteLength > 0);
    const command = Number(bytesOf((await call("logs", { id })).values).toString());
    const record = join(home.home.path, "state/exec/jobs", id, "supervisor.json");
    process.kill(JSON.parse(readFileSync(record, "utf8")).pid, "SIGKILL");
    await until(async () => (await status(id)).state === "lost");
    await until(() => !lives(command));
    expect(await wait(id)).toMatchObject({ state: "lost", exit_code: 125 });
  });
});

test("attack 28: no more jobs run at once than policy says", async () => {
  await using strict = await TestNode.start({ name: "strict", exec: "jobs: { max: 1 }" });
  const begin = (command: string) => strict.call("local", "exec.start", { command });
  const first = (await begin("sleep 600")).output as { id: string };
  expect((await begin("true")).error?.code).toBe("exec.jobs_full");
  await strict.call("local", "exec.cancel", first);
  expect((await begin("true")).error).toBeUndefined();
});

test("a job's log stays below its bound, and what is dropped is counted", async () => {
  const { LogReader, LogWriter, logBytes } = await import(
    "../src/capabilities/exec/detached/log.ts"
  );
  const folder = mkdtempSync(join(home.folder, "log-"));
  const bound = 1024 * 1024;
  using log = new LogWriter(folder, bound);
  const line = new Uint8Array(1000).fill(97);
  for (let index = 0; index < 5000; index++)
    log.append(index % 5 ? "stdout" : "stderr", line, index);
  expect(logBytes(folder)).toBeLessThanOrEqual(bound);
  using reader = new LogReader(folder, 0);
  const records = await Array.fromAsync(reader.records());
  const first = records[0]!;
  expect(records.length + first.sequence).toBe(5000);
  expect(first.before.stdout + first.before.stderr).toBe(first.sequence * 1000);
  expect(reader.next).toBe(5000);
  rmSync(folder, { recursive: true });
});

test("the last lines of a job's log of many small records come while others have their turn", async () => {
  const { LogReader, LogWriter, lastLines } = await import(
    "../src/capabilities/exec/detached/log.ts"
  );
  const folder = mkdtempSync(join(home.folder, "log-"));
  using log = new LogWriter(folder, 8 * 1024 * 1024);
  const count = 100_000;
  for (let index = 0; index < count; index++)
    log.append("stdout", Buffer.from(index % 10 ? "." : "\n"), index);
  const isWanted = () => true;
  const last = async (lines: number, from = 0) => {
    using reader = new LogReader(folder, from);
    const records = await lastLines(reader, { lines, isWanted });
    expect(reader.next).toBe(count);
    return records;
  };
  let turns = 0;
  const counting = setInterval(() => turns++, 0);
  // Over the border of two files, each of which has some 27,000.
  expect((await last(5_000)).length).toBe(50_000 - 1);
  clearInterval(counting);
  expect(turns).toBeGreaterThan(3);
  expect((await last(1)).map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 9 }, (_, index) => count - 9 + index),
  );
  expect((await last(5_000, count - 3)).length).toBe(3);
  expect(await last(0)).toEqual([]);
  rmSync(folder, { recursive: true });
});
