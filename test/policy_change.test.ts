import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../src/clock.ts";
import type { Node } from "../src/node/node.ts";
import { openNode, operatorPolicy, TestHome, TestNode, textStream, until } from "./harness/mesh.ts";

/** A write whose decision is made, but not on the disk yet. */
async function decidedWrite(node: Node) {
  const decided = Promise.withResolvers<void>();
  const durable = Promise.withResolvers<void>();
  const append = node.audit.append.bind(node.audit);
  node.audit.append = async (record) => {
    node.audit.append = append;
    decided.resolve();
    await durable.promise;
    return append(record);
  };
  const outgoing = textStream("new");
  const call = node.call("local", "fs.write", { path: "/x" }, { outgoing });
  const outcome = call.output.then(
    () => "done",
    (error: { code: string }) => error.code,
  );
  await decided.promise;
  return { durable, outcome };
}

test("a right withdrawn between the decision and the effect has no effect", async () => {
  using home = new TestHome({ name: "a" });
  await using node = await openNode(home);
  const { durable, outcome } = await decidedWrite(node);
  const policy = (own: string) => operatorPolicy(own).replace("fs.*, ", "fs.list, ");
  home.configure({ ...home.options, policy });
  expect(await node.reload()).toBeTrue();
  durable.resolve();
  expect(await outcome).toBe("policy.revoked");
  expect(existsSync(join(home.workspace, "x"))).toBeFalse();
});

test("a call acts on the mounts it was decided for, whatever is mounted there since", async () => {
  using home = new TestHome({ name: "a" });
  const other = join(home.folder, "other");
  mkdirSync(other);
  writeFileSync(join(other, "x"), "untouched");
  await using node = await openNode(home);
  const { durable, outcome } = await decidedWrite(node);
  const text = readFileSync(home.home.config_path, "utf8");
  writeFileSync(home.home.config_path, text.replace(`path: ${home.workspace}`, `path: ${other}`));
  expect(await node.reload()).toBeTrue();
  durable.resolve();
  expect(await outcome).toBe("done");
  expect(readFileSync(join(other, "x"), "utf8")).toBe("untouched");
  expect(readFileSync(join(home.workspace, "x"), "utf8")).toBe("new");
});

test("attack 33: a configuration that is not valid, or half-written, changes nothing", async () => {
  using home = new TestHome({ name: "a" });
  await using node = await openNode(home);
  const good = readFileSync(home.home.config_path, "utf8");
  const bad = [
    good.replace("roles:", "rolls:"),
    good.slice(0, good.length / 2),
    "",
    "version: 2\n",
  ];
  for (const text of bad) {
    writeFileSync(home.home.config_path, text);
    expect(await node.reload()).toBeFalse();
    expect(await node.call("local", "fs.stat", { path: "/" }).output).toMatchObject({
      type: "folder",
    });
    const denied = node.call("local", "fs.stat", { path: "/secrets/key" }).output;
    await expect(denied).rejects.toMatchObject({ code: "policy.denied" });
  }
});

test("attack 4: a call ends with the hours in which a rule allows it, though nothing is loaded anew", async () => {
  let nowMs = Date.UTC(2026, 0, 1, 12);
  await using node = await TestNode.start({
    name: "a",
    clock: { ...systemClock, nowMs: () => nowMs },
    policy: (own) => `  principals: { own: { key: "${own}", roles: [daily] } }
  roles:
    daily:
      - allow: [exec.run]
        when: { time: { from: "09:00", to: "17:00" } }`,
  });
  const argv = ["sh", "-c", "echo $$ > pid; exec sleep 600"];
  const outcome = node.call("local", "exec.run", { argv });
  const pid = () => {
    const path = join(node.test.workspace, "pid");
    return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  };
  await until(() => pid() !== "", 30_000);
  nowMs += 6 * 60 * 60 * 1000;
  expect((await outcome).error?.code).toBe("policy.revoked");
  await until(() => !existsSync(`/proc/${pid()}`), 30_000);
}, 60_000);
