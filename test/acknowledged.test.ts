// What a caller is told has happened is on disk before it is told.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry } from "../src/audit/entry.ts";
import { OperonError } from "../src/error.ts";
import { openNode, TestHome, TestNode, textStream } from "./harness/mesh.ts";

function entriesOf({ home }: TestHome): AuditEntry[] {
  const segment = readdirSync(home.audit_path).find((name) => /^\d+\.jsonl$/.test(name)) as string;
  const lines = readFileSync(join(home.audit_path, segment), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

test("attack 36: a call that changed something is answered after both its entries are on disk", async () => {
  await using a = await TestNode.start({ name: "a" });
  for (let index = 0; index < 10; index++) {
    const written = await a.call(
      "local",
      "fs.write",
      { path: `/file-${index}` },
      { outgoing: textStream("content") },
    );
    // No turn of the event loop between the answer and this look.
    const entries = entriesOf(a.test);
    expect(written.error).toBeUndefined();
    const decided = entries[written.receipt?.audit?.sequence as number];
    expect(decided).toMatchObject({ event: "decided", operation: "fs.write" });
    const finished = entries.find(
      ({ event, call }) => event === "finished" && call === decided?.call,
    );
    expect(finished?.outcome?.ok).toBeTrue();
  }
});

test("attack 36: a call that changed something is not answered while its last entry is not on disk", async () => {
  using home = new TestHome({ name: "a" });
  await using node = await openNode(home);
  const append = node.audit.append.bind(node.audit);
  const finishing = Promise.withResolvers<void>();
  const durable = Promise.withResolvers<void>();
  node.audit.append = async (record) => {
    if (record.event === "finished") {
      finishing.resolve();
      await durable.promise;
    }
    return append(record);
  };
  const outgoing = textStream("new");
  let isAnswered = false;
  const answered = node
    .call("local", "fs.write", { path: "/x" }, { outgoing })
    .output.finally(() => {
      isAnswered = true;
    });
  await finishing.promise;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isAnswered).toBeFalse();
  durable.resolve();
  expect(await answered).toMatchObject({ created: true });
});

test("attack 35: while the log cannot be written nothing is served but a look at the log", async () => {
  using home = new TestHome({ name: "a" });
  await using node = await openNode(home);
  const failure = new OperonError({
    code: "audit.unavailable",
    kind: "unavailable",
    message: "Full",
  });
  Object.defineProperty(node.audit, "failure", { get: () => failure });
  const codeOf = (operation: string, input: object) =>
    node.call("local", operation, input).output.then(
      () => undefined,
      ({ code }: OperonError) => code,
    );
  expect(await codeOf("fs.stat", { path: "/" })).toBe("audit.unavailable");
  expect(await codeOf("fs.mkdir", { path: "/made" })).toBe("audit.unavailable");
  expect(await codeOf("audit.verify", {})).toBeUndefined();
  expect(readdirSync(home.workspace)).toEqual([]);
});
