import { afterAll, expect, test } from "bun:test";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bench, chunksOf, collect, silence, until } from "./exec.fixture.ts";

const bench = new Bench({ roots: ["/"], default_timeout_secs: 20 });
afterAll(() => bench[Symbol.dispose]());

test("run passes output, input and exit code through", async () => {
  const { output, text, stderr } = await bench.run(
    { command: "cat; echo oops >&2; exit 7" },
    { incoming: chunksOf(["one\n", "two\n"]) },
  );
  expect(text).toBe("one\ntwo\n");
  expect(stderr.toString()).toBe("oops\n");
  expect(output).toMatchObject({
    exit_code: 7,
    timed_out: false,
    stdout_bytes: 8,
    stderr_bytes: 5,
  });
  expect(output.signal).toBeUndefined();
});

test("run passes words on as they are", async () => {
  const words = ["a b", "*", "$HOME", "", "\n", "-n", "ü\u202e"];
  const { text } = await bench.run({ argv: ["printf", "%s|", ...words] });
  expect(text).toBe(words.map((word) => `${word}|`).join(""));
});

test("run calls a program by the name it was asked for", async () => {
  const { text, output } = await bench.run({ command: "echo $0" });
  expect(text).toBe("/bin/sh\n");
  expect(output.resolved).toStartWith("/usr/bin/");
});

test("run keeps bytes exact in both directions", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const incoming = chunksOf(Array.from({ length: 40 }, () => bytes));
  const { stdout } = await bench.run({ command: "tee /dev/stderr | cat" }, { incoming });
  expect(stdout.equals(Buffer.concat(Array.from({ length: 40 }, () => bytes)))).toBeTrue();
});

test("run gives real pipes: a command may open /dev/stdout, /dev/stderr and /dev/stdin", async () => {
  const { text, stderr } = await bench.run(
    { command: "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin" },
    { incoming: chunksOf(["in"]) },
  );
  expect(text).toBe("out\nin");
  expect(stderr.toString()).toBe("err\n");
});

test("run delivers output while the command goes on", async () => {
  const call = bench.start({ command: "echo first; read line; echo $line" }, { incoming: late() });
  let release = () => {};
  async function* late() {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    yield Buffer.from("second\n");
  }
  const first = await call.next();
  expect(Buffer.from((first.value as { bytes: Uint8Array }).bytes).toString()).toBe("first\n");
  release();
  expect((await collect(call)).text).toBe("second\n");
});

test("run reports a signal as 128 plus its number", async () => {
  const { output } = await bench.run({ command: "kill -TERM $$" });
  expect(output).toMatchObject({ exit_code: 143, signal: "SIGTERM", timed_out: false });
  const hard = await bench.run({ command: "kill -KILL $$" });
  expect(hard.output).toMatchObject({ exit_code: 137, signal: "SIGKILL" });
});

test("run ends at its timeout with 124 and keeps what was written", async () => {
  const { output, text } = await bench.run({
    command: "trap 'echo bye; exit 0' TERM; echo hello; sleep 100 & wait",
    timeout_secs: 0.1,
  });
  expect(text).toBe("hello\nbye\n");
  expect(output).toMatchObject({ exit_code: 124, timed_out: true });
});

test("run says which command is missing or cannot be executed", async () => {
  writeFileSync(join(bench.folder, "headless"), "echo no shebang\n");
  chmodSync(join(bench.folder, "headless"), 0o755);
  writeFileSync(join(bench.folder, "lost"), "#!/no/interpreter\n");
  chmodSync(join(bench.folder, "lost"), 0o755);
  const codeOf = (word: string) => bench.run({ argv: [word] }).then(String, (error) => error.code);
  expect(await codeOf("./none")).toBe("exec.not_found");
  expect(await codeOf("./headless")).toBe("exec.not_executable");
  expect(await codeOf("./lost")).toBe("exec.not_found");
  expect(await codeOf("no-such-command")).toBe("exec.not_found");
});

test("run refuses a command that is too long for the system", () => {
  const call = bench.run({ command: `echo ${"ü".repeat(100_000)}` });
  expect(call).rejects.toMatchObject({ code: "exec.too_long", kind: "invalid_argument" });
});

test("run refuses what policy's settings do not open", async () => {
  using closed = new Bench({});
  expect(closed.run({ argv: ["true"] })).rejects.toMatchObject({ code: "exec.disabled" });
  expect(bench.run({ argv: ["true"], cwd: "/none" })).rejects.toMatchObject({
    code: "exec.cwd_unusable",
  });
  expect(bench.run({ argv: ["true"], cwd: "/a/../b" })).rejects.toMatchObject({
    code: "exec.cwd_unusable",
  });
});

test("run kills a command that writes more than policy allows", async () => {
  using small = new Bench({ roots: ["/"], output_bytes_max: 100_000 });
  const call = small.run({ argv: ["yes"] });
  expect(call).rejects.toMatchObject({ code: "exec.output_limit" });
  await call.catch(() => {});
});

test("run refuses more commands at once than policy allows, and counts them back", async () => {
  using small = new Bench({ roots: ["/"], running_max: 1 });
  const first = small.start({ argv: ["cat"] }, { incoming: silence() });
  const pending = first.next();
  expect(small.run({ argv: ["true"] })).rejects.toMatchObject({ code: "exec.busy" });
  const stop = new AbortController();
  const second = small.run({ argv: ["true"] }, { signal: stop.signal });
  await second.catch(() => {});
  void first.return(undefined as never);
  void pending;
});

test("run does not mind a command that ignores its input", async () => {
  const incoming = chunksOf([new Uint8Array(1_000_000), new Uint8Array(1_000_000)]);
  expect((await bench.run({ argv: ["true"] }, { incoming })).output.exit_code).toBe(0);
  expect((await bench.run({ argv: ["true"] }, { incoming: silence() })).output.exit_code).toBe(0);
});

test("run stops taking input when the command closes it", async () => {
  let isLetGo = false;
  async function* endless() {
    try {
      for (;;) yield new Uint8Array(65_536);
    } finally {
      isLetGo = true;
    }
  }
  const { output } = await bench.run({ command: "exec <&-; echo closed" }, { incoming: endless() });
  expect(output.exit_code).toBe(0);
  await until("the input is let go", () => isLetGo);
});

test("run kills the command when the caller's stream breaks, and never shows it a false end", async () => {
  async function* broken() {
    yield Buffer.from("half");
    throw new Error("the line is dead");
  }
  const call = bench.run({ command: "cat > got; echo whole >> got" }, { incoming: broken() });
  expect(call).rejects.toThrow("the line is dead");
  await call.catch(() => {});
  const { text } = await bench.run({ argv: ["cat", "got"] });
  expect(text).not.toContain("whole");
});

test("run leaves no descriptor behind, however calls end", async () => {
  await bench.run({ argv: ["true"] });
  const before = descriptors();
  const stop = new AbortController();
  const aborted = bench.run({ argv: ["sleep", "9"] }, { signal: stop.signal, incoming: silence() });
  await Promise.all([
    bench.run({ argv: ["cat"] }, { incoming: chunksOf(["x"]) }),
    bench.run({ argv: ["none"] }).catch(() => {}),
    bench.run({ command: `x${"ü".repeat(100_000)}` }).catch(() => {}),
    bench.run({ command: "sleep 0.4 & echo" }, { incoming: chunksOf([new Uint8Array(900_000)]) }),
    bench.run({ argv: ["sleep", "9"], timeout_secs: 0.05 }),
    Promise.resolve().then(() => stop.abort(new Error("stop"))),
    aborted.catch(() => {}),
  ]);
  await until("all descriptors are closed", () => descriptors() <= before);
});

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
