import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Bench, lives, until } from "./exec.fixture.ts";
import { killLeftBehind } from "./left_behind.ts";

const bench = new Bench({ roots: ["/"] });
afterAll(() => bench[Symbol.dispose]());

/** Starts commands in a process of their own and kills that; gives its id and those of what it left. */
async function crash(
  background: "kill" | "keep",
  commands: readonly string[],
  limits: { readonly pids?: number } = {},
) {
  const script = `
    const { Bench, until } = await import(${JSON.stringify(join(import.meta.dir, "exec.fixture.ts"))});
    const bench = new Bench({ roots: ["/"], background: "${background}", limits: ${JSON.stringify(limits)} });
    for (const command of ${JSON.stringify(commands)}) bench.run({ command }).then(() => console.log("ended"));
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const owner = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const files = commands.map((_, index) => join(bench.folder, `${background}-${index}`));
  await until("all run", () => files.every((file) => existsSync(file) && size(file) > 0));
  if (background === "keep") await owner.stdout.getReader().read();
  owner.kill("SIGKILL");
  await owner.exited;
  return { crashed: owner.pid, left: files.map((file) => Number(readFileSync(file, "utf8"))) };
}

const size = (file: string) => readFileSync(file).length;

test("attack 36: what a killed node's commands left is ended by the next one", async () => {
  const { crashed, left } = await crash("kill", [
    `echo $$ > ${bench.folder}/kill-0; sleep 60`,
    `trap "" TERM HUP; echo $$ > ${bench.folder}/kill-1; sleep 60 & wait; sleep 60`,
    `(setsid sh -c 'echo $$ > ${bench.folder}/kill-2; sleep 60' &); sleep 60`,
  ]);
  expect(left.map(lives)).toEqual([true, true, true]);
  await killLeftBehind(crashed);
  await until("all are gone", () => !left.some(lives), 1_000);
});

test("attack 36: what policy let go on survives the crash and the next start", async () => {
  const { crashed, left } = await crash("keep", [
    `(setsid sh -c 'echo $$ > ${bench.folder}/keep-0; exec sleep 60' > /dev/null 2>&1 < /dev/null &)`,
  ]);
  await killLeftBehind(crashed);
  expect(left.map(lives)).toEqual([true]);
  for (const pid of left) process.kill(pid, "SIGKILL");
});

test("attack 28: control groups of a killed node's commands are gone after the next start", async () => {
  const probe = new Bench({ roots: ["/"], limits: { pids: 50 } });
  const { output } = await probe.run({ argv: ["true"] });
  probe[Symbol.dispose]();
  if (output.limits_enforced.pids !== "cgroup") return;
  const command = `cat /proc/self/cgroup > ${bench.folder}/group; echo $$ > ${bench.folder}/kill-0; sleep 60`;
  rmSync(join(bench.folder, "kill-0"), { force: true });
  const { crashed } = await crash("kill", [command], { pids: 50 });
  const [, group = ""] =
    /(\/\S*operon-\d+-\d+)/.exec(readFileSync(join(bench.folder, "group"), "utf8")) ?? [];
  const folders = ["", "pids"].map((name) => join("/sys/fs/cgroup", name, group));
  expect(folders.some((folder) => existsSync(folder))).toBeTrue();
  await until(
    "they are gone",
    () => {
      void killLeftBehind(crashed);
      return !folders.some((folder) => existsSync(folder));
    },
    30_000,
  );
});

test("killLeftBehind() leaves commands of living processes alone, also of one with that id", async () => {
  const running = bench.run({ command: "echo $$ > running; sleep 0.5; echo whole" });
  await until("it runs", () => existsSync(join(bench.folder, "running")));
  await killLeftBehind(process.pid);
  await killLeftBehind(1);
  await killLeftBehind(2 ** 22);
  expect((await running).text).toBe("whole\n");
});
