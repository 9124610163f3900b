// Attack 23, end to end: a command of a running node, however it is started, and the node's own files.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { TestNode } from "./harness/mesh.ts";

interface Ended {
  readonly protection: string;
  readonly limits_enforced: object;
}

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
    expect(["namespace", "landlock", "none"]).toContain(protection);
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
