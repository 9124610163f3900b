import { describe, expect, spyOn, test } from "bun:test";
import * as files from "node:fs";
import {
  appendFileSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { ManualClock } from "../../test/clock.ts";
import { CHECKPOINTS_FILE } from "./checkpoint.ts";
import * as descriptor from "./descriptor.ts";
import { hashLine } from "./line.ts";
import { copyOf, KEY, linesOf, openLog, record, temporaryFolder } from "./log.fixture.ts";
import { listSegments } from "./segment.ts";
import { verifyAudit } from "./verify.ts";

/** A log with a checkpoint over 4 acknowledged entries, one more acknowledged, and two of a write that may be cut. */
async function logInMidWrite(directory: string) {
  const clock = new ManualClock();
  const log = await openLog(directory, { clock });
  for (let i = 1; i < 4; i++) await log.append(record(i));
  clock.advance(1_000);
  await log.flush();
  await log.append(record(4));
  const { path } = listSegments(directory)[0]!;
  const acknowledged = { lines: linesOf(directory), bytes: statSync(path).size };
  await Promise.all([log.append(record(5)), log.append(record(6))]);
  const image = copyOf(directory);
  await log.close();
  return { image, acknowledged };
}

describe("attack 35: a power cut", () => {
  test("attack 35: at every byte of a write loses nothing acknowledged, and is put on record", async () => {
    using folder = temporaryFolder();
    const { image, acknowledged } = await logInMidWrite(folder.path);
    using _image = image;
    const { path } = listSegments(image.path)[0]!;
    const whole = readFileSync(path);
    const checkpoints = readFileSync(`${image.path}/${CHECKPOINTS_FILE}`);
    for (let length = acknowledged.bytes; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      writeFileSync(`${image.path}/${CHECKPOINTS_FILE}`, checkpoints);
      const log = await openLog(image.path);
      const receipt = await log.append(record("after"));
      await log.close();
      const lines = linesOf(image.path);
      expect(lines.slice(0, acknowledged.lines.length)).toEqual(acknowledged.lines);
      expect(hashLine(lines[receipt.sequence]!)).toBe(receipt.hash);
      const isTorn = length > acknowledged.bytes && whole[length - 1] !== 10;
      expect(lines.some((line) => line.includes('"event":"repaired"'))).toBe(isTorn);
      const { problems } = await verifyAudit(image.path, { key: KEY.publicKey.bytes });
      expect(problems).toEqual([]);
    }
  });

  test("attack 35: at every byte of a checkpoint leaves a log that starts", async () => {
    using folder = temporaryFolder();
    const { image } = await logInMidWrite(folder.path);
    using _image = image;
    const path = `${image.path}/${CHECKPOINTS_FILE}`;
    const segment = listSegments(image.path)[0]!.path;
    const entries = readFileSync(segment);
    const whole = readFileSync(path);
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      writeFileSync(segment, entries);
      const log = await openLog(image.path);
      await log.close();
      expect((await verifyAudit(image.path, { key: KEY.publicKey.bytes })).problems).toEqual([]);
    }
  });

  test("attack 35: that leaves zeros where the write would have been is repaired", async () => {
    using folder = temporaryFolder();
    const { image, acknowledged } = await logInMidWrite(folder.path);
    using _image = image;
    const { path } = listSegments(image.path)[0]!;
    truncateSync(path, acknowledged.bytes);
    appendFileSync(path, Buffer.alloc(3_000_000));
    const log = await openLog(image.path);
    await log.close();
    const repaired = linesOf(image.path).map((line) => JSON.parse(line))[5];
    expect(repaired).toMatchObject({ event: "repaired", facts: { bytes: 3_000_000 } });
    expect((await verifyAudit(image.path)).ok).toBe(true);
  });

  test("attack 35: between a full segment and the next leaves a log that starts", async () => {
    using folder = temporaryFolder();
    const { image, acknowledged } = await logInMidWrite(folder.path);
    using _image = image;
    truncateSync(listSegments(image.path)[0]!.path, acknowledged.bytes);
    writeFileSync(`${image.path}/${"5".padStart(20, "0")}.jsonl`, '{"sequence":5,');
    const log = await openLog(image.path);
    expect((await log.append(record("after"))).sequence).toBe(7);
    await log.close();
    expect((await verifyAudit(image.path)).problems).toEqual([]);
  });

  test("attack 35: cannot explain garbage with line feeds, so the log does not start", async () => {
    using folder = temporaryFolder();
    const { image, acknowledged } = await logInMidWrite(folder.path);
    using _image = image;
    const { path } = listSegments(image.path)[0]!;
    truncateSync(path, acknowledged.bytes);
    appendFileSync(path, "garbage\nmore\n");
    await expect(openLog(image.path)).rejects.toMatchObject({ code: "audit.corrupt" });
  });

  test("attack 35: in the middle of another process's write is repaired by the one that goes on", async () => {
    using folder = temporaryFolder();
    const log = await openLog(folder.path);
    await log.append(record(1));
    appendFileSync(listSegments(folder.path)[0]!.path, '{"sequence":2,"time":"2026');
    const receipt = await log.append(record(2));
    await log.close();
    expect(receipt.sequence).toBe(3);
    expect(JSON.parse(linesOf(folder.path)[2]!)).toMatchObject({
      event: "repaired",
      facts: { bytes: 26, excerpt: '{"sequence":2,"time":"2026' },
    });
    expect((await verifyAudit(folder.path)).problems).toEqual([]);
  });
});

test("attack 35: no entry is acknowledged before the disk was told to keep it", async () => {
  using folder = temporaryFolder();
  const waiting = spyOn(descriptor, "dataSync");
  const blocking = spyOn(files, "fdatasyncSync");
  const syncs = () => waiting.mock.calls.length + blocking.mock.calls.length;
  try {
    const log = await openLog(folder.path);
    for (let i = 1; i <= 20; i++) {
      const before = syncs();
      await log.append(record(i));
      expect(syncs()).toBeGreaterThan(before);
    }
    await log.close();
  } finally {
    waiting.mockRestore();
    blocking.mockRestore();
  }
});

describe("attack 35: a full disk", () => {
  test("attack 35: refuses every entry it has no room for and keeps all it acknowledged", async () => {
    using folder = temporaryFolder();
    // A file-size limit stops writes in the middle of a line, as a full disk does, without root.
    const child = Bun.spawn(
      [
        "bash",
        "-c",
        'trap "" XFSZ; ulimit -f 40; exec "$@"',
        "-",
        process.execPath,
        `${import.meta.dir}/writer.fixture.ts`,
        folder.path,
        "full",
        "400",
      ],
      { stdout: "pipe", stderr: "inherit" },
    );
    const answers = (await new Response(child.stdout).text()).trim().split("\n");
    const refused = answers.filter((answer) => answer === "refused audit.unavailable");
    expect(answers).toHaveLength(400);
    expect(refused.length).toBeGreaterThan(100);
    const lines = linesOf(folder.path);
    for (const answer of answers.filter((one) => !one.startsWith("refused"))) {
      const [sequence, hash] = answer.split(" ");
      expect(hashLine(lines[Number(sequence)]!)).toBe(hash!);
    }
    expect(statSync(listSegments(folder.path)[0]!.path).size).toBeLessThanOrEqual(40 * 1024);
    await (await openLog(folder.path)).close();
    expect((await verifyAudit(folder.path)).problems).toEqual([]);
  });

  if (canMount()) {
    test("attack 35: goes on by itself when there is room again, and says what happened", async () => {
      using disk = smallDisk()!;
      const clock = new ManualClock();
      const directory = `${disk.path}/audit`;
      const log = await openLog(directory, { clock });
      await log.append(record(1));
      fillUp(`${disk.path}/filler`);
      const error = await untilRefused(log);
      expect(error).toMatchObject({ code: "audit.unavailable", kind: "unavailable" });
      expect(error.hint).toContain("Free space");
      expect(log.failure).toBe(error);
      const before = linesOf(directory);
      expect((await verifyAudit(directory)).problems).toEqual([]);
      rmSync(`${disk.path}/filler`);
      clock.advance(1_000);
      await log.flush();
      expect(log.failure).toBeUndefined();
      const receipt = await log.append(record("after"));
      await log.close();
      expect(linesOf(directory).slice(0, before.length)).toEqual(before);
      expect(JSON.parse(linesOf(directory)[before.length]!)).toMatchObject({ event: "repaired" });
      expect(receipt.sequence).toBe(before.length + 1);
      expect((await verifyAudit(directory)).problems).toEqual([]);
    });
  }
});

async function untilRefused(log: Awaited<ReturnType<typeof openLog>>) {
  for (let i = 0; i < 1_000; i++) {
    const error = await log.append(record(i, { detail: "x".repeat(500) })).then(
      () => undefined,
      (thrown) => thrown,
    );
    if (error) return error;
  }
  throw new Error("The disk is not full");
}

/** Writes zeros until there is no room at all. */
function fillUp(path: string): void {
  for (const size of [65_536, 4_096]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
    }
  }
}

function canMount(): boolean {
  using disk = smallDisk();
  return disk !== undefined;
}

/** A disk of 1 MiB, where this process may mount one. */
function smallDisk(): (Disposable & { readonly path: string }) | undefined {
  const folder = temporaryFolder();
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.path], {
    stderr: "ignore",
  });
  if (mounted.exitCode !== 0) {
    folder[Symbol.dispose]();
    return;
  }
  return {
    path: folder.path,
    [Symbol.dispose]() {
      Bun.spawnSync(["umount", "-l", folder.path]);
      folder[Symbol.dispose]();
    },
  };
}
