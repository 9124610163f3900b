// Durable audit entries with 64 callers waiting at once, against a log that syncs after every entry.

import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { AuditRecord } from "../../src/audit/entry.ts";
import { AuditLog } from "../../src/audit/log.ts";
import { systemClock } from "../../src/clock.ts";
import { KeyPair } from "../../src/identity/key.ts";
import { interleave, perSecond, type Row } from "./row.ts";

const IN_FLIGHT = 64;
const ENTRIES = 6400;
/** Entries of the slow log per sample. */
const SLOW_ENTRIES = 1000;

/** The row `audit`. */
export const audit: Row = {
  id: "audit",
  async measure(site) {
    const folder = site.newFolder("audit");
    const key = KeyPair.generate();
    await using log = await AuditLog.open(join(folder, "log"), { key, clock: systemClock });
    const fd = openSync(join(folder, "one.jsonl"), "a");
    const of = await interleave(
      [
        { name: "together", sample: () => entriesPerSecond(log) },
        { name: "one", sample: () => syncsPerSecond(fd) },
      ],
      site.rounds(5),
    );
    closeSync(fd);
    return [
      {
        what: "audit, durable, 64 in flight",
        against: "one fsync per entry",
        ours: perSecond(of("together")),
        theirs: perSecond(of("one")),
        ratio: of("together") / of("one"),
        reach: { least: 10 },
      },
    ];
  },
};

const RECORD: AuditRecord = {
  event: "decided",
  call: "0123456789abcdef",
  principal: "ed25519:h3apza56ccofe2h4dfgn2w3e3loyugvaxd3sqs4ip2aliki5gqdq",
  principal_name: "laptop",
  operation: "fs.write",
  resources: ["fs:workspace/src/a.ts"],
  decision: { verdict: "allow", reason: "allowed" },
};

async function entriesPerSecond(log: AuditLog): Promise<number> {
  let left = ENTRIES;
  const startMs = performance.now();
  const worker = async () => {
    while (left-- > 0) await log.append(RECORD);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return (ENTRIES / (performance.now() - startMs)) * 1000;
}

function syncsPerSecond(fd: number): number {
  const line = Buffer.from(`${JSON.stringify(RECORD)}\n`);
  const startMs = performance.now();
  for (let index = 0; index < SLOW_ENTRIES; index++) {
    writeSync(fd, line);
    fdatasyncSync(fd);
  }
  return (SLOW_ENTRIES / (performance.now() - startMs)) * 1000;
}
