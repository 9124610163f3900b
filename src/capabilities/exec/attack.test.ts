import { afterAll, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bench, chunksOf, collect, lives, silence, until } from "./exec.fixture.ts";

const bench = new Bench({ roots: ["/"], default_timeout_secs: 20 });
afterAll(() => bench[Symbol.dispose]());

test("attack 23: a command sees descriptors 0 to 2 only, whatever the node has open", async () => {
  const secret = join(bench.folder, "key");
  writeFileSync(secret, "secret");
  const leaked = openSync(secret, "r");
  const others = Array.from({ length: 8 }, () =>
    bench.run({ argv: ["sleep", "0.2"] }, { incoming: chunksOf([new Uint8Array(300_000)]) }),
  );
  const { text } = await bench.run({ argv: ["ls", "/proc/self/fd"] });
  await Promise.all(others);
  // 3 is the folder `ls` itself reads.
  closeSync(leaked);
  expect(text.trim().split("\n").sort()).toEqual(["0", "1", "2", "3"]);
});

test("attack 23: a command has a session and a group of its own and no terminal", async () => {
  const { text } = await bench.run({ command: "cat /proc/$$/stat" });
  const [pid, , , , group, session, terminal] = text.replace(/\(.*\)/, "x").split(" ");
  expect([group, session]).toEqual([pid, pid]);
  expect(terminal).toBe("0");
});

/** Ways of a command to get away; each writes the ids of what must die to the file `$1`. */
const ESCAPES: Readonly<Record<string, string>> = {
  "a child that ignores SIGTERM": `sh -c 'trap "" TERM; echo $$ >> $1; while :; do sleep 1; done' x $1 & wait`,
  "a double fork": `sh -c '(sleep 1000 & echo $! >> $1)' x $1; sleep 1000`,
  "a session of its own": `setsid sh -c 'echo $$ >> $1; exec sleep 1000' x $1 & wait`,
  "a session of its own, double fork, all streams closed, deaf, no environment": `
    (env -i setsid sh -c 'trap "" TERM HUP; echo $$ >> $1; while :; do sleep 1; done' x $1 \
      <&- >&- 2>&- &)
    sleep 1000`,
  "a daemon that begins three sessions": `
    echo 'setsid sh -c "echo $$ >> $1; exec sleep 1000" &' > $1.third
    echo 'setsid sh $1.third $1 &' | sed "s|[$]1|$1|g" > $1.second
    setsid sh $1.second $1 < /dev/null > /dev/null 2>&1 &
    sleep 1000`,
  "a stopped child": "sleep 1000 & echo $! >> $1; kill -STOP $!; wait",
  "one who hides when SIGTERM comes": `
    trap 'setsid sh -c "echo $$ >> $1; exec sleep 1000" & exit' TERM
    echo >> $1; while :; do sleep 0.01; done`,
};

for (const [way, script] of Object.entries(ESCAPES)) {
  for (const how of ["a cancel", "a timeout"] as const) {
    test.concurrent(`attack 24: ${how} kills ${way}`, async () => {
      const file = join(bench.folder, crypto.randomUUID());
      const stop = new AbortController();
      const others = new AbortController();
      const bystander = bench.run({ argv: ["sleep", "1000"] }, { signal: others.signal });
      const timeout = how === "a timeout" ? { timeout_secs: 0.15 } : {};
      const call = bench.run(
        { argv: ["sh", "-c", script, "x", file], ...timeout },
        { signal: stop.signal },
      );
      const written = () => (existsSync(file) ? readFileSync(file, "utf8") : "");
      await until("it has started", () => written() !== "");
      if (how === "a cancel") stop.abort(new Error("cancelled"));
      const outcome = await call.catch((error: Error) => error.message);
      if (how === "a cancel") expect(outcome).toBe("cancelled");
      else expect(outcome).toMatchObject({ output: { exit_code: 124, timed_out: true } });
      const pids = written().trim().split("\n").map(Number);
      expect(pids.filter(lives)).toEqual([]);
      others.abort(new Error("enough"));
      await bystander.catch(() => {});
    });
  }
}

test("attack 24: a kill does not touch the commands of other calls", async () => {
  const stop = new AbortController();
  const bystander = bench.run({ command: "(sleep 0.3; echo alive) & wait" });
  const victim = bench.run({ command: "sleep 1000 & wait" }, { signal: stop.signal });
  stop.abort(new Error("cancelled"));
  await victim.catch(() => {});
  expect((await bystander).text).toBe("alive\n");
});

test("attack 24: a reader that goes away in the middle takes the command with it", async () => {
  const call = bench.start({ command: "echo $$; sleep 1000 & wait" });
  const first = await call.next();
  const pid = Number(Buffer.from((first.value as { bytes: Uint8Array }).bytes).toString());
  expect(lives(pid)).toBeTrue();
  await call.return(undefined as never);
  expect(lives(pid)).toBeFalse();
});

test("attack 24: a background child that holds the pipes does not hold the call", async () => {
  const startMs = performance.now();
  const { text, output } = await bench.run(
    { command: "sleep 5 & echo done; exit 3" },
    { incoming: silence() },
  );
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect(text).toBe("done\n");
  expect(output.exit_code).toBe(3);
});

test("attack 24: a background child that never stops writing does not hold the call", async () => {
  using strict = new Bench({ roots: ["/"], background: "kill" });
  const { output } = await strict.run({ command: "yes & echo $! > pid; exit 4" });
  expect(output.exit_code).toBe(4);
  expect(lives(Number(readFileSync(join(strict.folder, "pid"), "utf8")))).toBeFalse();
});

test("attack 24: what a command leaves behind is killed or kept, as policy says", async () => {
  const command = "(setsid sleep 30 > /dev/null 2>&1 < /dev/null & echo $! > pid)";
  for (const background of ["kill", "keep"] as const) {
    using bench = new Bench({ roots: ["/"], background });
    await bench.run({ command });
    const pid = Number(readFileSync(join(bench.folder, "pid"), "utf8"));
    expect(lives(pid)).toBe(background === "keep");
    if (background === "keep") process.kill(pid, "SIGKILL");
  }
});

test("attack 24: a process that exits takes its commands along, deaf ones too", async () => {
  const script = `
    const { Bench, until } = await import(${JSON.stringify(join(import.meta.dir, "exec.fixture.ts"))});
    const { existsSync } = await import("node:fs");
    const bench = new Bench();
    const command = 'trap "" TERM; setsid sh -c "echo \\$\\$ > ${bench.folder}/deaf; sleep 30" & wait';
    void bench.run({ command });
    await until("it runs", () => existsSync("${bench.folder}/deaf"));
    process.exit(0);`;
  const owner = Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" });
  expect(await owner.exited).toBe(0);
  const pid = Number(readFileSync(join(bench.folder, "deaf"), "utf8"));
  await until("it is gone", () => !lives(pid), 1_000);
});

test("attack 24: orphans that end do not stay zombies", async () => {
  await bench.run({ command: "(sleep 0.05 > /dev/null 2>&1 & echo $! > orphan)" });
  const pid = readFileSync(join(bench.folder, "orphan"), "utf8").trim();
  await until("it has ended", () => !lives(Number(pid)));
  await until("it is reaped, though nothing else runs", () => !existsSync(`/proc/${pid}`));
});

test("attack 25: a reader stalls while the process exits: bytes and exit code are exact", async () => {
  const script = "head -c 5000000 /dev/urandom | tee copy; sha256sum < copy >&2; exit 42";
  const call = bench.start({ command: script });
  const first = await call.next();
  const hash = new Bun.CryptoHasher("sha256").update((first.value as { bytes: Uint8Array }).bytes);
  await until("the pipe is full", () => isBlocked());
  const rest = await collect(call);
  expect(rest.stderr.toString()).toBe(`${hash.update(rest.stdout).digest("hex")}  -\n`);
  expect(rest.output).toMatchObject({ exit_code: 42, stdout_bytes: 5_000_000 });
});

test("attack 25: a process that exited long ago still has its last bytes delivered", async () => {
  const call = bench.start({ command: "seq 1 30000; echo $$ > gone; exit 9" });
  const first = (await call.next()).value as { bytes: Uint8Array };
  const gone = () => existsSync(join(bench.folder, "gone"));
  await until("it has written everything", gone);
  const pid = Number(readFileSync(join(bench.folder, "gone"), "utf8"));
  await until("it is gone", () => !lives(pid));
  // Longer than a call waits for stragglers when its reader does not stall.
  await new Promise((resolve) => setTimeout(resolve, 400));
  const rest = await collect(call);
  expect(first.bytes.byteLength + rest.stdout.byteLength).toBe(168_894);
  expect(rest.output.exit_code).toBe(9);
});

test("attack 25: a stalled reader stops the command, and this process does not grow", async () => {
  const call = bench.start({ argv: ["head", "-c", "400000000", "/dev/zero"] });
  let bytes = ((await call.next()).value as { bytes: Uint8Array }).bytes.byteLength;
  const before = process.memoryUsage().rss;
  await until("the command is blocked", () => isBlocked());
  expect(process.memoryUsage().rss - before).toBeLessThan(8_000_000);
  for (;;) {
    const next = await call.next();
    if (next.done) break;
    bytes += next.value.bytes.byteLength;
  }
  expect(bytes).toBe(400_000_000);
});

/** Whether a child of this process waits for room in a pipe. */
function isBlocked(): boolean {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim();
  const all = children.split(" ").flatMap((pid) => [pid, ...childrenOf(pid)]);
  return all.some((pid) => /pipe_w/.test(readText(`/proc/${pid}/wchan`)));
}

function childrenOf(pid: string): string[] {
  return readText(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
