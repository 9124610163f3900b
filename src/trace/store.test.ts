import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { TraceDocument } from "./document.ts";
import { isSpanId, isTraceId, newSpanId, newTraceId } from "./id.ts";
import { readTraceFile, TraceStore } from "./store.ts";

function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(`${tmpdir()}/operon-trace-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function trace(id: string, more: Partial<TraceDocument> = {}): TraceDocument {
  return {
    version: 1,
    trace_id: id.padEnd(32, "0"),
    run_id: "0123456789abcdef",
    name: "deploy",
    status: "ok",
    start: "2026-01-31T08:00:00.000Z",
    duration_ms: 12,
    spans: [
      { span_id: "a", name: "deploy", start: "", duration_ms: 12, status: "ok" },
      { span_id: "b", parent_span_id: "a", name: "s", start: "", duration_ms: 1, status: "ok" },
    ],
    ...more,
  };
}

describe("TraceStore", () => {
  test("reads back what it saved, by id and by a prefix no other has", async () => {
    using folder = temporaryFolder();
    const store = new TraceStore(`${folder.path}/traces`);
    await store.save(trace("abcd1"));
    await store.save(trace("abcd2"));
    expect(await store.read("abcd1".padEnd(32, "0"))).toEqual(trace("abcd1"));
    expect(await store.read("abcd2")).toEqual(trace("abcd2"));
    await expect(store.read("abcd")).rejects.toMatchObject({ code: "trace.ambiguous" });
  });

  test("saving again replaces, and leaves no temporary file", async () => {
    using folder = temporaryFolder();
    const store = new TraceStore(folder.path);
    await store.save(trace("a1"));
    await store.save(trace("a1", { status: "error" }));
    expect((await store.read("a100")).status).toBe("error");
    expect(readdirSync(folder.path)).toHaveLength(1);
  });

  test("files are for the owner only", async () => {
    using folder = temporaryFolder();
    await new TraceStore(`${folder.path}/traces`).save(trace("a1"));
    expect(statSync(`${folder.path}/traces`).mode & 0o777).toBe(0o700);
    const [name] = readdirSync(`${folder.path}/traces`);
    expect(statSync(`${folder.path}/traces/${name}`).mode & 0o777).toBe(0o600);
  });

  test("lists the newest first, within the limit", async () => {
    using folder = temporaryFolder();
    const store = new TraceStore(folder.path);
    for (const hour of ["09", "07", "08"]) {
      await store.save(trace(`a${hour}`, { start: `2026-01-31T${hour}:00:00.000Z`, name: hour }));
    }
    const listed = await store.list(2);
    expect(listed.map(({ name }) => name)).toEqual(["09", "08"]);
    expect(listed[0]).toEqual({
      trace_id: "a09".padEnd(32, "0"),
      name: "09",
      status: "ok",
      start: "2026-01-31T09:00:00.000Z",
      duration_ms: 12,
      steps: 1,
    });
  });

  test("keeps only so many, the newest", async () => {
    using folder = temporaryFolder();
    const store = new TraceStore(folder.path, { tracesMax: 3 });
    for (let i = 1; i <= 5; i++) {
      await store.save(trace(`${i}`, { start: `2026-01-0${i}T00:00:00.000Z` }));
    }
    expect((await store.list(10)).map(({ trace_id }) => trace_id[0])).toEqual(["5", "4", "3"]);
  });

  test.each(["", "abc", "../../etc/passwd", "..%2f", "ABCD", "abcd*", "abcd/", "\0\0\0\0", "zzzz"])(
    "read() knows no trace %j",
    async (id) => {
      using folder = temporaryFolder();
      const store = new TraceStore(folder.path);
      await store.save(trace("abcd"));
      await expect(store.read(id)).rejects.toMatchObject({
        code: "trace.missing",
        kind: "not_found",
      });
    },
  );

  test.each([
    { trace_id: "../../../../tmp/evil" },
    { trace_id: "A".repeat(32) },
    { start: "../x" },
    { start: "2026-01-31" },
  ])("save() refuses %j", async (more) => {
    using folder = temporaryFolder();
    const saving = new TraceStore(folder.path).save(trace("a", more));
    await expect(saving).rejects.toMatchObject({ code: "trace.invalid" });
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("says so when the folder cannot be written", async () => {
    using folder = temporaryFolder();
    writeFileSync(`${folder.path}/file`, "");
    const saving = new TraceStore(`${folder.path}/file`).save(trace("a"));
    await expect(saving).rejects.toMatchObject({ code: "trace.unavailable" });
  });

  test("a file that is no trace is left out of the list and refused when read", async () => {
    using folder = temporaryFolder();
    const store = new TraceStore(folder.path);
    await store.save(trace("abcd"));
    const name = `20260201T000000000Z-${"b".repeat(32)}.json`;
    for (const text of ["", "{}", "null", '{"version":2}', "[1"]) {
      writeFileSync(`${folder.path}/${name}`, text);
      expect(await store.list(10)).toHaveLength(1);
      await expect(store.read("bbbb")).rejects.toMatchObject({ code: "trace.unreadable" });
    }
  });

  test("has none before the first is saved", async () => {
    using folder = temporaryFolder();
    expect(await new TraceStore(`${folder.path}/no`).list(5)).toEqual([]);
  });
});

describe("readTraceFile()", () => {
  test("reads a trace from any file, and refuses what is not one", async () => {
    using folder = temporaryFolder();
    writeFileSync(`${folder.path}/trace.json`, JSON.stringify(trace("a")));
    expect((await readTraceFile(`${folder.path}/trace.json`)).name).toBe("deploy");
    await expect(readTraceFile(folder.path)).rejects.toMatchObject({ code: "trace.unreadable" });
    await expect(readTraceFile("/dev/null")).rejects.toMatchObject({ code: "trace.unreadable" });
    await expect(readTraceFile(`${folder.path}/no`)).rejects.toMatchObject({
      code: "trace.missing",
    });
  });
});

describe("trace ids", () => {
  test("are new each time and pass their own check", () => {
    expect(isTraceId(newTraceId())).toBe(true);
    expect(isSpanId(newSpanId())).toBe(true);
    expect(newTraceId()).not.toBe(newTraceId());
  });

  test.each(["", "0".repeat(32), "A".repeat(32), "a".repeat(31), `${"a".repeat(32)}\n`])(
    "isTraceId() refuses %j",
    (text) => expect(isTraceId(text)).toBe(false),
  );
});
