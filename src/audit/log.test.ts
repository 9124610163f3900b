import { describe, expect, test } from "bun:test";
import { appendFileSync, rmSync, statSync, symlinkSync, truncateSync } from "node:fs";
import { ManualClock } from "../../test/clock.ts";
import { KeyPair } from "../identity/key.ts";
import { CHECKPOINTS_FILE } from "./checkpoint.ts";
import { ENTRY_BYTES_MAX, hashLine } from "./line.ts";
import {
  copyOf,
  linesOf,
  openLog,
  readLines,
  record,
  temporaryFolder,
  writeLog,
} from "./log.fixture.ts";
import { listSegments, segmentAt } from "./segment.ts";
import { verifyAudit } from "./verify.ts";

describe("AuditLog", () => {
  test("append() returns the place and the hash of the line on disk", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const receipt = await log.append(record("a"));
    expect(receipt.sequence).toBe(1);
    expect(hashLine(linesOf(folder.path)[1]!)).toBe(receipt.hash);
  });

  test("append() links every entry to the one before it, in the order of the calls", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    await Promise.all(Array.from({ length: 200 }, (_, i) => log.append(record(i))));
    const entries = linesOf(folder.path).map((line) => JSON.parse(line));
    for (const [index, entry] of entries.entries()) {
      expect(entry.sequence).toBe(index);
      const prev = index === 0 ? "0".repeat(64) : hashLine(linesOf(folder.path)[index - 1]!);
      if (index % 50 < 2) expect(entry.prev).toBe(prev);
    }
    expect(entries[150].resources).toEqual(["fs:workspace/149"]);
  });

  test("append() rejects a record that has no JSON form and goes on", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const endless: Record<string, unknown> = {};
    endless.self = endless;
    await expect(log.append(record("a", { facts: endless }))).rejects.toMatchObject({
      code: "audit.entry_invalid",
    });
    expect((await log.append(record("b"))).sequence).toBe(1);
  });

  test("append() keeps control characters and line separators out of the file", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const hostile = 'a\n{"sequence":9}\u2028\u2029\u009b2J\u001b[2J\u202e\u0000"\\';
    await log.append(record(hostile));
    const [, line] = linesOf(folder.path);
    expect(linesOf(folder.path)).toHaveLength(2);
    expect(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line!)).toBe(false);
    expect(JSON.parse(line!).resources).toEqual([`fs:workspace/${hostile}`]);
  });

  test.each([
    ["a long text", { facts: { argv: ["x".repeat(10 * ENTRY_BYTES_MAX)] } }],
    ["many texts", { facts: { argv: Array.from({ length: 20_000 }, (_, i) => `word ${i}`) } }],
    [
      "many fields",
      { facts: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [i, i])) },
    ],
    ["three-byte characters", { detail: "€".repeat(ENTRY_BYTES_MAX) }],
    ["escaped characters", { detail: "\u0001".repeat(ENTRY_BYTES_MAX) }],
  ])("append() cuts %s and says so", async (_name, more) => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const receipt = await log.append(record("a", more));
    const line = linesOf(folder.path)[1]!;
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
    expect(JSON.parse(line)).toMatchObject({ cut: true, operation: "fs.write" });
    expect(line).toContain("more ");
    expect(hashLine(line)).toBe(receipt.hash);
  });

  test("append() rejects after close()", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path);
    await log.close();
    await log.close();
    await expect(log.append(record("a"))).rejects.toMatchObject({ code: "audit.closed" });
    expect(linesOf(folder.path)).toHaveLength(2);
  });

  test("append() refuses more than its queue may hold", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const detail = "x".repeat(20_000);
    const all = Array.from({ length: 2_500 }, () => log.append(record("a", { detail })));
    const settled = await Promise.allSettled(all);
    const refused = settled.filter((one) => one.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ reason: { code: "audit.overloaded" } });
    expect(linesOf(folder.path)).toHaveLength(1 + settled.length - refused.length);
  });

  test("appendRelaxed() waits its 10 ms also when it comes during a commit", async () => {
    using folder = temporaryFolder();
    const clock = new ManualClock();
    await using log = await openLog(folder.path, { clock });
    const urgent = log.append(record("a"));
    // The commit has taken what it writes.
    for (let turn = 0; turn < 3; turn++) await Promise.resolve();
    const relaxed = log.appendRelaxed(record("b"));
    await urgent;
    await new Promise((resolve) => setImmediate(resolve));
    expect(linesOf(folder.path)).toHaveLength(2);
    clock.advance(10);
    expect((await relaxed).sequence).toBe(2);
  });

  test("appendRelaxed() waits for the next commit, at most 10 ms", async () => {
    using folder = temporaryFolder();
    const clock = new ManualClock();
    await using log = await openLog(folder.path, { clock });
    const receipt = log.appendRelaxed(record("a"));
    clock.advance(9);
    await Promise.resolve();
    expect(linesOf(folder.path)).toHaveLength(1);
    clock.advance(1);
    expect((await receipt).sequence).toBe(1);
    const second = log.appendRelaxed(record("b"));
    await log.append(record("c"));
    expect((await second).sequence).toBe(2);
  });

  test("appendRelaxed() is append() when reads are strict", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path, { readsMode: "strict" });
    expect((await log.appendRelaxed(record("a"))).sequence).toBe(1);
  });

  test("close() writes what still waits", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path);
    const receipt = log.appendRelaxed(record("a"));
    await log.close();
    expect((await receipt).sequence).toBe(1);
    expect(linesOf(folder.path)).toHaveLength(3);
  });

  test("a checkpoint is made every 256 entries, after a second, and at the end", async () => {
    using folder = temporaryFolder();
    const clock = new ManualClock();
    const log = await openLog(folder.path, { clock });
    const checkpoints = () =>
      readLines(`${folder.path}/${CHECKPOINTS_FILE}`).map((line) => JSON.parse(line).size);
    await Promise.all(Array.from({ length: 300 }, (_, i) => log.append(record(i))));
    expect(checkpoints()).toEqual([301]);
    await log.append(record("a"));
    clock.advance(999);
    await log.flush();
    expect(checkpoints()).toEqual([301]);
    clock.advance(1);
    await log.flush();
    expect(checkpoints()).toEqual([301, 302]);
    await log.close();
    expect(checkpoints()).toEqual([301, 302, 303]);
  });

  test("a full segment is followed by a new one", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 50, segmentBytesMax: 3_000 });
    const segments = listSegments(folder.path);
    expect(segments.length).toBeGreaterThan(3);
    for (const { path } of segments) expect(statSync(path).size).toBeLessThanOrEqual(3_000);
    expect(await verifyAudit(folder.path)).toMatchObject({ ok: true, entries: 52 });
  });

  test("open() goes on where the log ended and remembers its newest time", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 3 });
    const clock = new ManualClock(Date.UTC(2026, 5, 1));
    const second = await openLog(folder.path, { clock });
    expect((await second.append(record("a"))).sequence).toBe(6);
    await second.close();
    await using third = await openLog(folder.path, { clock: new ManualClock(0) });
    expect(third.lastTimeMs).toBe(Date.UTC(2026, 5, 1));
    expect((await verifyAudit(folder.path)).problems).toEqual([]);
  });

  test("files and folder are for the owner only", async () => {
    using folder = temporaryFolder();
    const directory = `${folder.path}/audit`;
    await writeLog(directory, { count: 1 });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const file of ["lock", CHECKPOINTS_FILE, listSegments(directory)[0]!.file]) {
      expect(statSync(`${directory}/${file}`).mode & 0o777).toBe(0o600);
    }
  });
});

describe("AuditLog.open() refuses", () => {
  test("attack 34: a log cut below its newest checkpoint, and says so", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 20 });
    const { path } = listSegments(folder.path)[0]!;
    truncateSync(path, statSync(path).size - 1);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.truncated" });
    const lines = linesOf(folder.path);
    truncateSync(path, Buffer.byteLength(`${lines.slice(0, -1).join("\n")}\n`));
    const error = await openLog(folder.path).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "audit.truncated", kind: "data_loss" });
    expect(error.hint).toContain("audit verify");
  });

  test("attack 34: a log whose newest segment, or all of it, is gone", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 30, segmentBytesMax: 3_000 });
    rmSync(listSegments(folder.path).at(-1)!.path);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.truncated" });
    for (const { path } of listSegments(folder.path)) rmSync(path);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.truncated" });
  });

  test("attack 34: a log without its first segment and without checkpoints", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 30, segmentBytesMax: 3_000 });
    rmSync(listSegments(folder.path)[0]!.path);
    rmSync(`${folder.path}/${CHECKPOINTS_FILE}`);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.corrupt" });
  });

  test("attack 34: a log whose last covered entry was changed", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 3 });
    const { path } = listSegments(folder.path)[0]!;
    const lines = readLines(path);
    await Bun.write(path, `${lines.join("\n").replace('"stopped"', '"started"')}\n`);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.corrupt" });
  });

  test("entries after the checkpoint that do not follow from it", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 3 });
    const { path } = listSegments(folder.path)[0]!;
    appendFileSync(path, `${readLines(path).at(-1)}\n`);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.corrupt" });
  });

  test("a checkpoint of another key, or one that is no checkpoint", async () => {
    using folder = temporaryFolder();
    await writeLog(folder.path, { count: 3 });
    await expect(openLog(folder.path, { key: KeyPair.generate() })).rejects.toMatchObject({
      code: "audit.checkpoint_invalid",
    });
    appendFileSync(`${folder.path}/${CHECKPOINTS_FILE}`, "{}\n");
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.checkpoint_invalid" });
  });

  test("a symlink where a segment should be", async () => {
    using folder = temporaryFolder();
    symlinkSync("/dev/null", segmentAt(folder.path, 0).path);
    await expect(openLog(folder.path)).rejects.toMatchObject({ code: "audit.unavailable" });
  });

  test("a folder that is a file", async () => {
    using folder = temporaryFolder();
    await Bun.write(`${folder.path}/audit`, "");
    await expect(openLog(`${folder.path}/audit`)).rejects.toMatchObject({
      code: "audit.unavailable",
    });
  });
});

describe("a log at work refuses to go on", () => {
  test("when its segment is deleted under it", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path);
    rmSync(listSegments(folder.path)[0]!.path);
    await expect(log.append(record("a"))).rejects.toMatchObject({ code: "audit.corrupt" });
    expect(log.failure).toMatchObject({ code: "audit.corrupt" });
    await expect(log.append(record("b"))).rejects.toMatchObject({ code: "audit.corrupt" });
    await expect(log.close()).rejects.toMatchObject({ code: "audit.corrupt" });
  });

  test("when its segment is shortened under it", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path);
    await log.append(record("a"));
    truncateSync(listSegments(folder.path)[0]!.path, 10);
    await expect(log.append(record("b"))).rejects.toMatchObject({ code: "audit.truncated" });
    await expect(log.close()).rejects.toMatchObject({ code: "audit.truncated" });
  });

  test("when someone else writes what does not follow", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path);
    using copy = copyOf(folder.path);
    const other = await openLog(copy.path);
    await other.append(record("other"));
    const [, , foreign] = linesOf(copy.path);
    appendFileSync(listSegments(folder.path)[0]!.path, `${foreign}\n`);
    await expect(log.append(record("a"))).rejects.toMatchObject({ code: "audit.corrupt" });
    await log.close().catch(() => {});
    await other.close();
  });
});
