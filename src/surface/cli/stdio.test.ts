import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const program = `"${process.execPath}" "${join(import.meta.dir, "stdio.fixture.ts")}"`;

/** Runs a line of shell, in which `$P` is the program. */
async function shell(line: string) {
  const child = Bun.spawn(["bash", "-c", line.replaceAll("$P", program)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout: stdout.trim(), stderr: stderr.trim(), exitCode };
}

describe("processStdio()", () => {
  test("everything written arrives before the process ends", async () => {
    expect((await shell("$P flood 200 | wc -c")).stdout).toBe(String(200 * 64 * 1024));
  });
  test("a reader that leaves is reported, and does not hang", async () => {
    const { stderr, stdout } = await shell("$P flood 100000 | head -c 10");
    expect([stdout, stderr]).toEqual(["AAAAAAAAAA", "cli.output_closed"]);
  });
  test("a full disk is reported", async () => {
    expect((await shell("$P flood 1 >/dev/full")).stderr).toBe("cli.output_failed");
  });
  test("a file is appended to where the shell left off", async () => {
    const line = 'f=$(mktemp); { printf x; $P flood 1; printf y; } >"$f"; wc -c <"$f"; rm "$f"';
    expect((await shell(line)).stdout).toBe(String(2 + 64 * 1024));
  });
  test("a pipe that others share stays blocking", async () => {
    const { stdout } = await shell("{ $P flood 40; grep flags /proc/self/fdinfo/1; } | tail -n 1");
    const flags = Number.parseInt(/flags:\s*(\d+)/.exec(stdout)?.[1] ?? "", 8);
    expect(flags & 0o4000).toBe(0);
  });
  test("a pipe that may not be opened anew is written to as it is", async () => {
    // As after sudo -u: the pipe belongs to somebody else. The superuser may open all, unless it has lost that right.
    const isSuperuser = process.getuid?.() === 0;
    const weak = isSuperuser ? "setpriv --bounding-set=-all --inh-caps=-all" : "";
    const line = `f=$(mktemp -u); mkfifo "$f"; exec 3<>"$f"; rm "$f"; chmod 0 /proc/self/fd/3;
      (${weak} $P flood 40 >&3; echo $? >&2) & head -c ${40 * 64 * 1024} <&3 | wc -c; wait`;
    expect(await shell(line)).toMatchObject({ stdout: String(40 * 64 * 1024), stderr: "0" });
  });
  test("input is copied byte for byte", async () => {
    const line =
      "head -c 3000000 /dev/zero | $P copy | cmp - <(head -c 3000000 /dev/zero) && echo ok";
    expect((await shell(line)).stdout).toBe("ok");
  });
  test("an input that is missing or /dev/null is empty, not an error", async () => {
    expect((await shell("$P copy </dev/null")).exitCode).toBe(0);
    expect((await shell("$P copy <&-")).exitCode).toBe(0);
  });
});

describe("what a stream is", () => {
  const facts = async (line: string) => JSON.parse((await shell(line)).stderr);
  test("a pipe and a file are input, /dev/null and nothing are none", async () => {
    const isPiped = async (line: string) => (await facts(line)).stdin.isPiped;
    expect(await isPiped("true | $P facts")).toBe(true);
    expect(await isPiped('$P facts <"$BASH"')).toBe(true);
    expect(await isPiped("$P facts </dev/null")).toBe(false);
    expect(await isPiped("$P facts <&-")).toBe(false);
  });
  test("only a terminal is a terminal, with its width", async () => {
    expect((await facts("$P facts </dev/null >/dev/null")).stdout).toEqual({
      isTty: false,
      columns: 80,
    });
    const { stdout } = await shell(`script -qec 'stty cols 57; ${program} facts' /dev/null`);
    expect(JSON.parse(stdout)).toEqual({
      stdin: { isTty: true, isPiped: false },
      stdout: { isTty: true, columns: 57 },
    });
  });
});
