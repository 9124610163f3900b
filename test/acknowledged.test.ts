// What a caller is told has happened is on disk before it is told.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry } from "../src/audit/entry.ts";
import { type TestHome, TestNode, textStream } from "./harness/mesh.ts";

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
