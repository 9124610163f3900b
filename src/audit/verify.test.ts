import { describe, expect, test } from "bun:test";
import { appendFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import nacl from "tweetnacl";
import { KeyPair } from "../identity/key.ts";
import { CHECKPOINTS_FILE, checkpointMessage, parseCheckpoint } from "./checkpoint.ts";
import { FIRST_PREV, hashLine } from "./line.ts";
import {
  copyOf,
  KEY,
  linesOf,
  openLog,
  readLines,
  record,
  temporaryFolder,
  writeLines,
  writeLog,
} from "./log.fixture.ts";
import { listSegments } from "./segment.ts";
import { type PeerCheckpoint, verifyAudit } from "./verify.ts";

const OPTIONS = { key: KEY.publicKey.id };

/** A log of 62 entries in several segments, with checkpoints at 11, 21, … and 62. */
async function goodLog() {
  const folder = temporaryFolder();
  await writeLog(folder.path, { count: 60, every: 10, segmentBytesMax: 6_000 });
  return folder;
}

function segmentOf(directory: string, sequence: number) {
  return listSegments(directory).findLast(({ first }) => first <= sequence)!;
}

/** Changes the lines of the segment that holds an entry; `index` is the entry's place in them. */
function tamper(
  directory: string,
  sequence: number,
  change: (lines: string[], index: number) => void,
): void {
  const segment = segmentOf(directory, sequence);
  const lines = readLines(segment.path);
  change(lines, sequence - segment.first);
  writeLines(segment.path, lines);
}

/** Gives every line from one on the link it should have, as a careful forger would. */
function relink(directory: string): void {
  let prev = FIRST_PREV;
  for (const { path } of listSegments(directory)) {
    const lines = readLines(path).map((line) => {
      const linked = line.replace(/"prev":"[0-9a-f]{64}"\}$/, `"prev":"${prev}"}`);
      prev = hashLine(linked);
      return linked;
    });
    writeLines(path, lines);
  }
}

function checkpointsOf(directory: string) {
  return readLines(`${directory}/${CHECKPOINTS_FILE}`).map(
    (line) => parseCheckpoint(Buffer.from(line))!,
  );
}

function heldBy(peer: string, directory: string): PeerCheckpoint {
  const { size, root, last, time, key, signature } = checkpointsOf(directory).at(-1)!;
  return { peer, size, root, last, time, key, signature };
}

describe("verifyAudit() accepts", () => {
  test("a log as it was written, and counts it", async () => {
    using folder = await goodLog();
    const report = await verifyAudit(folder.path, OPTIONS);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ ok: true, entries: 62, checkpoints: 7 });
    expect(report.last).toEqual({ sequence: 61, hash: hashLine(linesOf(folder.path).at(-1)!) });
  });

  test("a log that is being written to", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const writing = Promise.all(Array.from({ length: 500 }, (_, i) => log.append(record(i))));
    expect(await verifyAudit(folder.path, OPTIONS)).toMatchObject({ ok: true, problems: [] });
    await writing;
    expect(await verifyAudit(folder.path, OPTIONS)).toMatchObject({ ok: true, entries: 501 });
  });

  test("a read-only copy without its lock file", async () => {
    using folder = await goodLog();
    rmSync(`${folder.path}/lock`);
    expect((await verifyAudit(folder.path, OPTIONS)).ok).toBe(true);
    expect(statSync(`${folder.path}/lock`, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("what peers hold of it", async () => {
    using folder = await goodLog();
    const peerCheckpoints = [heldBy("gpu-node", folder.path)];
    const report = await verifyAudit(folder.path, { ...OPTIONS, peerCheckpoints });
    expect(report.problems).toEqual([]);
  });

  test("signatures that the second implementation accepts too", async () => {
    using folder = await goodLog();
    for (const checkpoint of checkpointsOf(folder.path)) {
      const signature = Buffer.from(checkpoint.signature, "hex");
      const message = checkpointMessage(checkpoint);
      expect(nacl.sign.detached.verify(message, signature, KEY.publicKey.bytes)).toBe(true);
    }
  });
});

describe("verifyAudit() locates", () => {
  const cases: readonly [
    string,
    (directory: string) => void,
    { kind: string; sequence: number },
  ][] = [
    [
      "attack 34: an edited entry",
      (log) =>
        tamper(log, 25, (lines, at) => {
          lines[at] = lines[at]!.replace("workspace/25", "workspace/99");
        }),
      { kind: "edited", sequence: 25 },
    ],
    [
      "attack 34: the very first entry edited",
      (log) =>
        tamper(log, 0, (lines) => {
          lines[0] = lines[0]!.replace("started", "stopped");
        }),
      { kind: "edited", sequence: 0 },
    ],
    [
      "attack 34: the very last entry edited",
      (log) =>
        tamper(log, 61, (lines, at) => {
          lines[at] = lines[at]!.replace("stopped", "started");
        }),
      // Nothing links to it: the checkpoint that covers it tells.
      { kind: "edited", sequence: 61 },
    ],
    [
      "attack 34: an entry edited and all later links rewritten",
      (log) => {
        tamper(log, 25, (lines, at) => {
          lines[at] = lines[at]!.replace("workspace/25", "workspace/99");
        });
        relink(log);
      },
      { kind: "edited", sequence: 21 },
    ],
    [
      "attack 34: a removed entry",
      (log) => tamper(log, 25, (lines, at) => lines.splice(at, 1)),
      { kind: "removed", sequence: 25 },
    ],
    [
      "attack 34: the first entries removed",
      (log) => tamper(log, 0, (lines) => lines.splice(0, 3)),
      { kind: "segment_missing", sequence: 0 },
    ],
    [
      "attack 34: an entry removed, the rest renumbered and relinked",
      (log) => {
        const all = linesOf(log);
        all.splice(25, 1);
        const [first, ...others] = listSegments(log);
        for (const { path } of others) rmSync(path);
        writeLines(
          first!.path,
          all.map((line, i) => line.replace(/^\{"sequence":\d+/, `{"sequence":${i}`)),
        );
        relink(log);
      },
      { kind: "edited", sequence: 21 },
    ],
    [
      "attack 34: two entries swapped",
      (log) =>
        tamper(log, 25, (lines, at) => {
          [lines[at], lines[at + 1]] = [lines[at + 1]!, lines[at]!];
        }),
      { kind: "reordered", sequence: 25 },
    ],
    [
      "attack 34: an entry written twice",
      (log) => tamper(log, 25, (lines, at) => lines.splice(at, 0, lines[at]!)),
      { kind: "reordered", sequence: 25 },
    ],
    [
      "attack 34: the last entry deleted",
      (log) => tamper(log, 61, (lines) => lines.pop()),
      { kind: "truncated", sequence: 61 },
    ],
    [
      "attack 34: a segment in the middle dropped",
      (log) => rmSync(listSegments(log)[1]!.path),
      { kind: "segment_missing", sequence: 0 },
    ],
    [
      "attack 34: the first segment dropped",
      (log) => rmSync(listSegments(log)[0]!.path),
      { kind: "segment_missing", sequence: 0 },
    ],
    [
      "attack 34: the last segment dropped",
      (log) => rmSync(listSegments(log).at(-1)!.path),
      { kind: "segment_missing", sequence: 0 },
    ],
    [
      "attack 34: every segment dropped",
      (log) => {
        for (const { path } of listSegments(log)) rmSync(path);
      },
      { kind: "segment_missing", sequence: 0 },
    ],
    [
      "attack 34: an entry overwritten with garbage",
      (log) =>
        tamper(log, 25, (lines, at) => {
          lines[at] = "\u0000".repeat(lines[at]!.length);
        }),
      { kind: "unreadable", sequence: 25 },
    ],
    [
      "attack 34: a line inserted",
      (log) => tamper(log, 25, (lines, at) => lines.splice(at, 0, '{"sequence":25}')),
      { kind: "unreadable", sequence: 25 },
    ],
    [
      "attack 34: a sequence number far ahead",
      (log) =>
        tamper(log, 25, (lines, at) => {
          lines[at] = lines[at]!.replace('"sequence":25', '"sequence":900719925474099');
        }),
      { kind: "reordered", sequence: 25 },
    ],
    [
      "attack 34: a link edited",
      (log) =>
        tamper(log, 25, (lines, at) => {
          lines[at] = lines[at]!.replace(/"prev":"..../, '"prev":"0000');
        }),
      { kind: "edited", sequence: 24 },
    ],
    [
      "attack 34: a checkpoint edited",
      (log) => {
        const path = `${log}/${CHECKPOINTS_FILE}`;
        const lines = readLines(path);
        lines[2] = lines[2]!.replace('"size":31', '"size":30');
        writeLines(path, lines);
      },
      { kind: "checkpoint_invalid", sequence: 21 },
    ],
    [
      "attack 34: checkpoints in another order",
      (log) => {
        const path = `${log}/${CHECKPOINTS_FILE}`;
        writeLines(path, readLines(path).reverse());
      },
      { kind: "checkpoint_invalid", sequence: 62 },
    ],
    [
      "a write that was interrupted",
      (log) => appendFileSync(segmentOf(log, 61).path, '{"sequence":62,"ti'),
      { kind: "torn", sequence: 62 },
    ],
  ];

  test.each(cases)("%s", async (name, change, expected) => {
    using folder = await goodLog();
    change(folder.path);
    const wanted = { ...expected };
    if (name.includes("middle dropped")) wanted.sequence = sequenceAfter(folder.path);
    if (name.includes("last segment")) wanted.sequence = linesOf(folder.path).length;
    const report = await verifyAudit(folder.path, OPTIONS);
    expect(report.ok).toBe(false);
    expect(report.problems[0]).toMatchObject(wanted);
    expect(report.problems.length).toBeLessThanOrEqual(6);
  });

  test("attack 34: every single flipped byte of a small log", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 2 });
    const { path } = listSegments(folder.path)[0]!;
    const good = await Bun.file(path).bytes();
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice();
      bad[at]! ^= 1;
      writeFileSync(path, bad);
      const { ok, problems } = await verifyAudit(folder.path, OPTIONS);
      const line = good.subarray(0, at).filter((byte) => byte === 10).length;
      if (ok) throw new Error(`A change of byte ${at} goes unnoticed`);
      expect(Math.abs(problems[0]!.sequence - line)).toBeLessThanOrEqual(1);
    }
  });

  test("attack 34: every length a small log can be cut to", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 2 });
    const { path } = listSegments(folder.path)[0]!;
    for (let length = statSync(path).size - 1; length >= 0; length--) {
      truncateSync(path, length);
      const { problems } = await verifyAudit(folder.path, OPTIONS);
      expect(problems.map(({ kind }) => kind)).toContain("truncated");
    }
  });
});

/** First sequence missing when the second segment was dropped. */
function sequenceAfter(directory: string): number {
  return readLines(listSegments(directory)[0]!.path).length;
}

describe("verifyAudit() against peers and keys", () => {
  test("attack 34: yesterday's disk put back is found by what a peer holds", async () => {
    using folder = await goodLog();
    using yesterday = copyOf(folder.path);
    const log = await openLog(folder.path);
    await log.append(record("today"));
    await log.close();
    const peerCheckpoints = [heldBy("gpu-node", folder.path)];
    expect((await verifyAudit(yesterday.path, OPTIONS)).ok).toBe(true);
    const report = await verifyAudit(yesterday.path, { ...OPTIONS, peerCheckpoints });
    expect(report.problems).toMatchObject([{ kind: "truncated", sequence: 62 }]);
    expect(report.problems[0]!.message).toContain("gpu-node");
  });

  test("attack 34: an old copy that was written on is found by what a peer holds", async () => {
    using folder = await goodLog();
    using yesterday = copyOf(folder.path);
    for (const [directory, name] of [
      [folder.path, "true"],
      [yesterday.path, "false"],
    ] as const) {
      const log = await openLog(directory);
      for (let i = 0; i < 5; i++) await log.append(record(`${name} ${i}`));
      await log.close();
    }
    const peerCheckpoints = [heldBy("gpu-node", folder.path)];
    const report = await verifyAudit(yesterday.path, { ...OPTIONS, peerCheckpoints });
    expect(report.problems).toMatchObject([{ kind: "edited", sequence: 62 }]);
    expect(report.problems[0]!.message).toContain("gpu-node");
  });

  test("a peer's checkpoint that the node never signed accuses the peer, not the log", async () => {
    using folder = await goodLog();
    const forged = { ...heldBy("gpu-node", folder.path), size: 1_000 };
    const report = await verifyAudit(folder.path, { ...OPTIONS, peerCheckpoints: [forged] });
    expect(report.problems).toMatchObject([{ kind: "checkpoint_invalid" }]);
  });

  test("attack 34: a whole log rewritten with another key", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path, { key: KeyPair.generate() });
    await log.append(record("a"));
    await log.close();
    expect((await verifyAudit(folder.path)).ok).toBe(true);
    const report = await verifyAudit(folder.path, OPTIONS);
    expect(report).toMatchObject({ ok: false, checkpoints: 0 });
    expect(report.problems[0]).toMatchObject({ kind: "checkpoint_invalid", line: 1 });
  });

  test("attack 34: checkpoints deleted from a log that is old enough to have some", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 100, every: 1 });
    rmSync(`${folder.path}/${CHECKPOINTS_FILE}`);
    expect((await verifyAudit(folder.path, OPTIONS)).problems).toMatchObject([
      { kind: "checkpoint_invalid", sequence: 0 },
    ]);
  });

  test("a folder without a log is an error, not a good log", async () => {
    using folder = temporaryFolder();
    await expect(verifyAudit(folder.path, OPTIONS)).rejects.toMatchObject({
      code: "audit.missing",
    });
    await expect(verifyAudit(`${folder.path}/no`, OPTIONS)).rejects.toMatchObject({
      code: "audit.missing",
    });
  });

  test("nothing in the folder changes", async () => {
    using folder = await goodLog();
    appendFileSync(segmentOf(folder.path, 61).path, "torn");
    using before = copyOf(folder.path);
    await verifyAudit(folder.path, OPTIONS);
    for (const { path, file } of listSegments(folder.path)) {
      expect(await Bun.file(path).text()).toBe(await Bun.file(`${before.path}/${file}`).text());
    }
  });
});
