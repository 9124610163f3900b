import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperonError } from "../../../error.ts";
import { isConfined } from "../../../wire/local_peer.ts";
import { Bench, until } from "../exec.fixture.ts";
import { listProcesses } from "../process_table.ts";
import { landlockVersion } from "./landlock.ts";
import { protectionFor } from "./protection.ts";

/** As a node's home: what is in it is the node's own. */
const home = realpathSync(mkdtempSync(join(tmpdir(), "operon-own-")));
mkdirSync(join(home, "audit"));
writeFileSync(join(home, "key"), "the-secret-key");
writeFileSync(join(home, "audit", "log"), "the-audit-log");
afterAll(() => rmSync(home, { recursive: true, force: true }));

const roots = ["/"];
const { kind } = protectionFor(tmpdir(), { own: [home], isStrict: false });
const codeOf = (error: unknown) => (error instanceof OperonError ? error.code : String(error));

/** Ways to get at what is the node's own; each prints what it found. */
const WAYS: Readonly<Record<string, string>> = {
  "by its path": "cat $HOME_OF_NODE/key $HOME_OF_NODE/audit/log",
  "through the node's root": "cat /proc/$NODE/root$HOME_OF_NODE/key",
  "through the node's descriptors": "cat /proc/$NODE/fd/*",
  "through the node's memory": "head -c 100 /proc/$NODE/mem; cat /proc/$NODE/environ",
  "through the first process": "cat /proc/1/root$HOME_OF_NODE/key",
  "by uncovering it": "umount $HOME_OF_NODE; umount -l $HOME_OF_NODE; cat $HOME_OF_NODE/key",
  "by mounting it elsewhere": "mkdir m; mount --bind /proc/1/root m; cat m$HOME_OF_NODE/key",
  "in a namespace of its own": "unshare -Urm sh -c 'umount $HOME_OF_NODE; cat $HOME_OF_NODE/key'",
  "by a link": "ln -s $HOME_OF_NODE l; cat l/key; ln $HOME_OF_NODE/key k; cat k",
  "by moving it": "mv $HOME_OF_NODE/key k; cat k; mv $HOME_OF_NODE h; cat h/key",
  "by a raw disk":
    "for d in /dev/*; do test -b $d && head -c 4 $d; done; mknod d b 7 0; head -c 4 d",
};

// Landlock, mount namespaces and control groups are Linux's: elsewhere commands run unprotected, and say so.
describe.skipIf(process.platform !== "linux")("a protected command", () => {
  test("attack 23: is protected wherever the kernel has Landlock", () => {
    if (landlockVersion() >= 2) expect(kind).not.toBe("none");
    else expect(kind).toBe("none");
  });

  for (const [way, script] of Object.entries(WAYS)) {
    test(`attack 23: does not get at the node's own files ${way}`, async () => {
      const set = { HOME_OF_NODE: home, NODE: String(process.pid) };
      using bench = new Bench({ roots, env: { set } }, [home]);
      const { output, stdout } = await bench.run({ command: script });
      expect(output.protection).toBe(kind);
      if (kind === "none") return;
      expect(stdout.toString()).not.toContain("the-secret-key");
      expect(stdout.toString()).toBe("");
      expect(readFileSync(join(home, "key"), "utf8")).toBe("the-secret-key");
    });
  }

  test("attack 23: changes nothing of the node's own, and works as ever elsewhere", async () => {
    using bench = new Bench({ roots }, [home]);
    const script = `
      echo x >> ${home}/key; echo x > ${home}/audit/new; rm -f ${home}/audit/log
      mkdir a b && echo moved > a/f && mv a/f b/g && cat b/g && ls / > /dev/null && echo ok > /dev/null`;
    const { text, output } = await bench.run({ command: script });
    expect([text, output.exit_code]).toEqual(["moved\n", 0]);
    if (kind === "none") return;
    expect(readFileSync(join(home, "key"), "utf8")).toBe("the-secret-key");
    expect(readFileSync(join(home, "audit", "log"), "utf8")).toBe("the-audit-log");
  });

  test("attack 23: without the right to mount, Landlock alone keeps it out", async () => {
    if (kind !== "namespace") return;
    const script = `
      const { Bench } = await import(${JSON.stringify(join(import.meta.dir, "../exec.fixture.ts"))});
      using bench = new Bench({ roots: ["/"] }, ["${home}"]);
      const { output, text } = await bench.run({ command: "cat ${home}/key; echo x > ${home}/key; echo free > f; cat f" });
      console.log(output.protection, text);`;
    const less = ["setpriv", "--bounding-set", "-sys_admin", process.execPath, "-e", script];
    const run = Bun.spawn(less, { stdout: "pipe", stderr: "inherit" });
    expect((await new Response(run.stdout).text()).trim()).toBe("landlock free");
    expect(readFileSync(join(home, "key"), "utf8")).toBe("the-secret-key");
  });

  test("attack 23: policy that requires protection refuses where there is none", async () => {
    using bench = new Bench({ roots, protect: "required" }, [home]);
    if (kind === "none") {
      expect(await bench.run({ argv: ["true"] }).catch(codeOf)).toBe("exec.protection_unavailable");
    } else {
      expect((await bench.run({ argv: ["true"] })).output.protection).toBe(kind);
    }
  });

  test("attack 23: policy that requires protection keeps it from signalling what is outside", async () => {
    // Older kernels cannot.
    if (kind === "none" || landlockVersion() < 6) return;
    using bench = new Bench({ roots, protect: "required" }, [home]);
    const command = `kill -0 $$ && echo itself; kill -0 ${process.pid} && echo the node`;
    expect((await bench.run({ command })).text).toBe("itself\n");
  });

  test("attack 23: one that would stand in the node's own folder cannot be protected", async () => {
    using bench = new Bench({ roots });
    using required = new Bench({ roots, protect: "required" }, [tmpdir()]);
    expect(await required.run({ argv: ["true"] }).catch(codeOf)).toBe(
      "exec.protection_unavailable",
    );
    using auto = new Bench({ roots }, [tmpdir()]);
    expect((await auto.run({ argv: ["true"] })).output.protection).toBe("none");
    expect((await bench.run({ argv: ["true"] })).output.protection).toBe("none");
  });

  test("attack 23: gains no rights by setuid programs unless policy says so", async () => {
    const command = "grep NoNewPrivs /proc/self/status";
    using strict = new Bench({ roots, protect: "off" });
    expect((await strict.run({ command })).text).toContain("1");
    using lax = new Bench({ roots, protect: "off", new_privileges: true });
    expect((await lax.run({ command })).text).toContain("0");
  });
});

// Landlock, mount namespaces and control groups are Linux's: elsewhere commands run unprotected, and say so.
describe.skipIf(process.platform !== "linux")("a limited command", () => {
  test("attack 28: has no more descriptors, processor time and file size than policy says", async () => {
    using bench = new Bench({
      roots,
      limits: { open_files: 32, cpu_secs: 1, file_bytes: 4096 },
    });
    const files = await bench.run({ command: "ulimit -n; ulimit -n 64; ulimit -n" });
    expect(files.text).not.toContain("64");
    expect(files.output.limits_enforced).toEqual({
      cpu_secs: "rlimit",
      file_bytes: "rlimit",
      open_files: "rlimit",
    });
    const cpu = await bench.run({ command: "while :; do :; done", timeout_secs: 60 });
    expect(cpu.output).toMatchObject({ signal: "SIGKILL", timed_out: false });
    const disk = await bench.run({ command: "yes > big; stat -c %s big" });
    expect(disk.text).toBe("4096\n");
  });

  test("attack 28: has no more memory than policy says", async () => {
    using bench = new Bench({ roots, limits: { memory_bytes: 128 * 1024 * 1024 } });
    const { output, text } = await bench.run({
      command: "head -c 1000000000 /dev/zero | tail -c 900000000 | wc -c",
      timeout_secs: 60,
    });
    expect(output.limits_enforced.memory_bytes).toBeOneOf(["cgroup", "rlimit"]);
    expect(Number(text)).toBeLessThan(900_000_000);
  });

  test("attack 28: a fork bomb stays within its processes and leaves nothing, or the result says that nothing held it", async () => {
    using bench = new Bench({ roots, limits: { pids: 20 }, background: "kill" });
    const probe = await bench.run({ argv: ["true"] });
    if (probe.output.limits_enforced.pids === undefined) return;
    let most = 0;
    const look = setInterval(() => {
      most = Math.max(most, inFolder(bench.folder));
    }, 20);
    await bench.run({ command: "bomb() { bomb | bomb & bomb; }; bomb", timeout_secs: 1 });
    clearInterval(look);
    expect(most).toBeLessThanOrEqual(20);
    await until("nothing of it is left", () => inFolder(bench.folder) === 0, 30_000);
  });

  test("attack 28: its control group is gone when it is", async () => {
    using bench = new Bench({ roots, limits: { pids: 20, memory_bytes: 64 * 1024 * 1024 } });
    const { text } = await bench.run({ command: "cat /proc/self/cgroup" });
    const [, group] = /pids[^:]*:(\/.*)/.exec(text) ?? [];
    if (group === undefined || !group.includes("operon-")) return;
    await until(
      "it is removed",
      () => !Bun.spawnSync(["test", "-d", `/sys/fs/cgroup/pids${group}`]).success,
      30_000,
    );
  });
});

/** How many processes stand in a folder. */
function inFolder(folder: string): number {
  return listProcesses().filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false;
    }
  }).length;
}

test("attack 23: a command cannot speak to the node's local socket as if it were its user", async () => {
  if (process.platform !== "linux") return;
  using bench = new Bench({ roots, protect: "off" });
  const call = bench.start({ command: "echo $$; sleep 60" });
  const pid = Number(Buffer.from(((await call.next()).value as { bytes: Uint8Array }).bytes));
  const uid = process.getuid?.() ?? -1;
  expect(isConfined({ uid, pid })).toBeTrue();
  expect(isConfined({ uid, pid: process.pid })).toBeFalse();
  expect(isConfined({ uid, pid: 2 ** 22 + 1 })).toBeTrue();
  await call.return(undefined as never);
});
