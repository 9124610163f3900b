import { expect, test } from "bun:test";
import { systemClock } from "../clock.ts";
import { hashLine } from "./line.ts";
import { KEY, linesOf, openLog, record, temporaryFolder } from "./log.fixture.ts";
import { verifyAudit } from "./verify.ts";

/** Starts a writer process and collects what it was told is durable. */
function startWriter(
  directory: string,
  options: { readonly name: string; readonly count: number },
) {
  const fixture = `${import.meta.dir}/writer.fixture.ts`;
  const child = Bun.spawn(
    [process.execPath, fixture, directory, options.name, String(options.count)],
    { stdout: "pipe", stderr: "inherit" },
  );
  const acknowledged: string[] = [];
  const reading = (async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      acknowledged.push(...lines);
    }
  })();
  const until = async (count: number) => {
    while (acknowledged.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { child, acknowledged, reading, until };
}

test("attack 35: four writer processes, two of them killed, keep one chain and lose nothing", async () => {
  using folder = temporaryFolder();
  const writers = ["a", "b", "c", "d"].map((name) =>
    startWriter(folder.path, { name, count: 500 }),
  );
  const [a, b] = writers;
  await a!.until(100);
  a!.child.kill("SIGKILL");
  await b!.until(200);
  b!.child.kill("SIGKILL");
  await Promise.all(writers.map(({ child }) => child.exited));
  await Promise.all(writers.map(({ reading }) => reading));
  const second = startWriter(folder.path, { name: "a again", count: 500 });
  await second.child.exited;
  await second.reading;

  const { ok, problems, entries } = await verifyAudit(folder.path, { key: KEY.publicKey.bytes });
  expect(problems).toEqual([]);
  expect(ok).toBe(true);
  const lines = linesOf(folder.path);
  expect(entries).toBe(lines.length);
  const acknowledged = [...writers, second].flatMap((writer) => writer.acknowledged);
  expect(acknowledged.length).toBeGreaterThanOrEqual(1_800);
  const sequences = new Set<string>();
  for (const answer of acknowledged) {
    const [sequence = "", hash = ""] = answer.split(" ");
    sequences.add(sequence);
    expect(hashLine(lines[Number(sequence)]!)).toBe(hash);
  }
  expect(sequences.size).toBe(acknowledged.length);
}, 20_000);

test("two logs in one process take turns", async () => {
  using folder = temporaryFolder();
  const first = await openLog(folder.path, { clock: systemClock });
  const second = await openLog(folder.path, { clock: systemClock });
  const receipts = await Promise.all(
    Array.from({ length: 200 }, (_, i) => (i % 2 ? first : second).append(record(i))),
  );
  expect(new Set(receipts.map(({ sequence }) => sequence)).size).toBe(200);
  await first.close();
  await second.close();
  expect((await verifyAudit(folder.path)).problems).toEqual([]);
});
