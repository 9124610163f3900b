import { describe, expect, test } from "bun:test";
import { appendFileSync, readFileSync } from "node:fs";
import type { AuditEntry, AuditFilter } from "./entry.ts";
import { openLog, record, temporaryFolder, writeLog } from "./log.fixture.ts";
import { followAudit, queryAudit } from "./read.ts";
import { listSegments } from "./segment.ts";

async function sequences(entries: AsyncIterable<AuditEntry>): Promise<number[]> {
  return (await Array.fromAsync(entries)).map(({ sequence }) => sequence);
}

function count(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** 102 entries in many small segments, with a clock that moves a second every ten entries. */
async function goodLog() {
  const folder = temporaryFolder();
  await writeLog(folder.path, { count: 100, every: 10, segmentBytesMax: 4_000 });
  expect(listSegments(folder.path).length).toBeGreaterThan(5);
  return folder;
}

describe("queryAudit()", () => {
  test("returns everything in order without a filter", async () => {
    using folder = await goodLog();
    expect(await sequences(queryAudit(folder.path, {}))).toEqual(count(0, 101));
  });

  test.each([1, 2, 7, 10, 50, 101, 102, 1_000])("returns the last %d entries", async (limit) => {
    using folder = await goodLog();
    const expected = count(Math.max(0, 102 - limit), 101);
    expect(await sequences(queryAudit(folder.path, { limit }))).toEqual(expected);
  });

  test("returns the last matching entries, not the matches among the last", async () => {
    using folder = await goodLog();
    expect(await sequences(queryAudit(folder.path, { limit: 2, resource: "workspace/1" }))).toEqual(
      [19, 100],
    );
  });

  test.each<[AuditFilter, number[]]>([
    [{ event: "stopped" }, [101]],
    [{ event: "rejected" }, []],
    [{ capability: "fs", limit: 1 }, [100]],
    [{ capability: "f" }, []],
    [{ action: "fs.write", limit: 1 }, [100]],
    [{ action: "write", limit: 1 }, [100]],
    [{ action: "rite" }, []],
    [{ allowed: true, limit: 1 }, [100]],
    [{ allowed: false }, []],
    [{ resource: "workspace/42" }, [42]],
    [{ resource: 'a "quoted" one' }, []],
    [{ principal: "laptop", limit: 1 }, [100]],
    [{ principal: "lap" }, []],
    [{ trace_id: "0".repeat(32) }, []],
    [{ from_sequence: 99 }, [99, 100, 101]],
    [{ from_sequence: 99, limit: 2 }, [100, 101]],
    [{ from_sequence: 1_000 }, []],
    [{ limit: 0 }, []],
    [{ since: "2026-01-01T00:00:10.000Z" }, [101]],
    [{ until: "2026-01-01T00:00:00.000Z", capability: "fs" }, count(1, 10)],
    [{ since: "2026-01-01T00:00:01Z", until: "2026-01-01T00:00:01Z" }, count(11, 20)],
  ])("finds what matches %j", async (filter, expected) => {
    using folder = await goodLog();
    expect(await sequences(queryAudit(folder.path, filter))).toEqual(expected);
  });

  test("finds refused calls by their verdict", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    await log.append(record("a"));
    await log.append(record("b", { decision: { verdict: "deny", reason: "denied-by-rule" } }));
    await log.append(record("c", { decision: { verdict: "ask", reason: "approval-required" } }));
    expect(await sequences(queryAudit(folder.path, { allowed: false }))).toEqual([2, 3]);
  });

  test("reads entries longer than its window, forwards and backwards", async () => {
    using folder = temporaryFolder();
    await using log = await openLog(folder.path);
    const detail = "x".repeat(60_000);
    for (let i = 1; i <= 20; i++) await log.append(record(i, { detail }));
    expect(await sequences(queryAudit(folder.path, {}))).toEqual(count(0, 20));
    expect(await sequences(queryAudit(folder.path, { limit: 15 }))).toEqual(count(6, 20));
  });

  test("leaves out an entry that is not written whole", async () => {
    using folder = await goodLog();
    appendFileSync(listSegments(folder.path).at(-1)!.path, '{"sequence":102,');
    expect(await sequences(queryAudit(folder.path, { limit: 2 }))).toEqual([100, 101]);
  });

  test("fails at a line that is no entry, and names the check that explains it", async () => {
    using folder = await goodLog();
    appendFileSync(listSegments(folder.path).at(-1)!.path, "garbage\n");
    const error = await sequences(queryAudit(folder.path, {})).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "audit.unreadable", kind: "data_loss" });
    expect(error.hint).toContain("audit verify");
    await expect(sequences(queryAudit(folder.path, { limit: 1 }))).rejects.toMatchObject({
      code: "audit.unreadable",
    });
  });

  test("finds nothing where there is no log", async () => {
    using folder = temporaryFolder();
    expect(await sequences(queryAudit(folder.path, {}))).toEqual([]);
    expect(await sequences(queryAudit(`${folder.path}/no`, { limit: 3 }))).toEqual([]);
  });
});

describe("a search through a large log", () => {
  /** Many pieces of one segment, the same entries again and again. */
  async function largeLog() {
    const folder = temporaryFolder();
    await writeLog(folder.path, { count: 100 });
    const { path } = listSegments(folder.path)[0]!;
    const text = readFileSync(path);
    const copies = Math.ceil(PIECES * (PIECE_BYTES / text.byteLength));
    for (let copy = 0; copy < copies; copy++) appendFileSync(path, text);
    return folder;
  }
  const PIECES = 20;
  const PIECE_BYTES = 256 * 1024;

  test.each<AuditFilter>([{ capability: "none" }, { capability: "none", limit: 5 }])(
    "for %p lets others have their turn after each piece",
    async (filter) => {
      using folder = await largeLog();
      let turns = 0;
      const counting = setInterval(() => turns++, 0);
      expect(await sequences(queryAudit(folder.path, filter))).toEqual([]);
      clearInterval(counting);
      expect(turns).toBeGreaterThan(PIECES / 4);
    },
  );

  test.each<AuditFilter>([{ capability: "none" }, { capability: "none", limit: 5 }])(
    "for %p ends when nobody waits for it any more",
    async (filter) => {
      using folder = await largeLog();
      const leaving = new AbortController();
      let turns = 0;
      const count = () => {
        turns++;
        if (turns === 2) leaving.abort(new Error("left"));
        counting = setImmediate(count);
      };
      let counting = setImmediate(count);
      const search = sequences(queryAudit(folder.path, filter, leaving.signal));
      await expect(search).rejects.toThrow("left");
      const following = sequences(followAudit(folder.path, filter, leaving.signal));
      expect(await following).toEqual([]);
      clearImmediate(counting);
      expect(turns).toBeLessThan(PIECES / 2);
    },
  );
});

describe("followAudit()", () => {
  test("returns the last matching entries and then every new one, across segments", async () => {
    using folder = await goodLog();
    await using log = await openLog(folder.path, { segmentBytesMax: 2_000 });
    const stop = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      const filter = { limit: 3, action: "write" };
      for await (const { sequence } of followAudit(folder.path, filter, stop.signal)) {
        seen.push(sequence);
        if (sequence === 100) for (let i = 0; i < 20; i++) await log.append(record(i));
        if (seen.length === 23) stop.abort();
      }
    })();
    await following;
    expect(seen).toEqual([98, 99, 100, ...count(103, 122)]);
  });

  test("waits for a log that does not exist yet", async () => {
    using folder = temporaryFolder();
    const stop = new AbortController();
    const entries = followAudit(folder.path, {}, stop.signal)[Symbol.asyncIterator]();
    const first = entries.next();
    await using _log = await openLog(folder.path);
    expect((await first).value.sequence).toBe(0);
    const second = entries.next();
    stop.abort();
    expect((await second).done).toBe(true);
  });

  test("ends at once when its signal has aborted", async () => {
    using folder = await goodLog();
    expect(await sequences(followAudit(folder.path, {}, AbortSignal.abort()))).toEqual([]);
  });

  test("skips new entries that do not match", async () => {
    using folder = await goodLog();
    await using log = await openLog(folder.path);
    const stop = new AbortController();
    const filter = { limit: 0, resource: "wanted" };
    const entries = followAudit(folder.path, filter, stop.signal)[Symbol.asyncIterator]();
    const first = entries.next();
    await log.append(record("other"));
    await log.append(record("wanted"));
    expect((await first).value.resources).toEqual(["fs:workspace/wanted"]);
    stop.abort();
    expect((await entries.next()).done).toBe(true);
  });
});
