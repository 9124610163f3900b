import { expect, test } from "bun:test";
import { appendFileSync, chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ManualClock } from "../../test/clock.ts";
import type { Clock } from "../clock.ts";
import { ConfigBench, failureOf, MINIMAL } from "./config.fixture.ts";
import { watchConfig } from "./watch.ts";

/** Watches and lets a test wait for what was told. */
class Watch implements Disposable {
  changes = 0;
  readonly errors: unknown[] = [];
  readonly #stop = new AbortController();

  constructor(path: string, options: { clock?: Clock; onChange?: () => unknown } = {}) {
    watchConfig(path, {
      signal: this.#stop.signal,
      onChange: () => {
        this.changes++;
        return options.onChange?.();
      },
      onError: (error) => this.errors.push(error),
      ...(options.clock && { clock: options.clock }),
    });
  }

  async until(condition: () => boolean): Promise<void> {
    const endMs = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > endMs) throw new Error("The condition never held");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

test("watchConfig() tells of a file written in place", async () => {
  using bench = new ConfigBench(MINIMAL);
  using watch = new Watch(bench.file);
  appendFileSync(bench.file, "# more\n");
  await watch.until(() => watch.changes === 1);
});

test("watchConfig() tells of every file renamed over the last one", async () => {
  using bench = new ConfigBench(MINIMAL);
  using watch = new Watch(bench.file);
  for (let round = 1; round <= 3; round++) {
    const next = join(bench.folder, ".config.swp");
    writeFileSync(next, `${MINIMAL}# ${round}\n`, { mode: 0o600 });
    renameSync(next, bench.file);
    await watch.until(() => watch.changes === round);
  }
});

test("watchConfig() tells of a file that vanished, and of its return", async () => {
  using bench = new ConfigBench(MINIMAL);
  using watch = new Watch(bench.file);
  rmSync(bench.file);
  await watch.until(() => watch.changes === 1);
  bench.write(MINIMAL);
  await watch.until(() => watch.changes === 2);
});

test("attack 33: watchConfig() tells when a file becomes writable by others", async () => {
  using bench = new ConfigBench(MINIMAL);
  const codes: string[] = [];
  const reload = async () => codes.push((await failureOf(() => bench.load())).code);
  using watch = new Watch(bench.file, { onChange: reload });
  chmodSync(bench.file, 0o666);
  await watch.until(() => codes.length === 1);
  expect(codes).toEqual(["identity.file_exposed"]);
  expect(watch.errors).toEqual([]);
});

test("watchConfig() says nothing of other files, nor after its end", async () => {
  using bench = new ConfigBench(MINIMAL);
  const clock = new ManualClock();
  const watch = new Watch(bench.file, { clock });
  writeFileSync(join(bench.folder, "other.yaml"), "x");
  clock.advance(10_000);
  watch[Symbol.dispose]();
  appendFileSync(bench.file, "# more\n");
  clock.advance(10_000);
  expect(watch.changes).toBe(0);
});

test("watchConfig() finds a change without notices, by looking every two seconds", async () => {
  using bench = new ConfigBench(MINIMAL);
  const clock = new ManualClock();
  using watch = new Watch(bench.file, { clock });
  appendFileSync(bench.file, "# more\n");
  clock.advance(2_000);
  clock.advance(50);
  await watch.until(() => watch.changes === 1);
});

test("watchConfig() never waits longer than 400 ms for a file that does not settle", async () => {
  using bench = new ConfigBench(MINIMAL);
  const clock = new ManualClock();
  using watch = new Watch(bench.file, { clock });
  let writes = 0;
  // Each turn writes again before the quiet time is over.
  await watch.until(() => {
    appendFileSync(bench.file, "#\n");
    writes++;
    if (writes % 100 === 0) clock.advance(49);
    return watch.changes > 0;
  });
  expect(watch.changes).toBeGreaterThan(0);
});

test("watchConfig() does not tell of a second change before the first was dealt with", async () => {
  using bench = new ConfigBench(MINIMAL);
  let release = () => {};
  let running = 0;
  let runningMost = 0;
  using watch = new Watch(bench.file, {
    onChange: async () => {
      runningMost = Math.max(runningMost, ++running);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      running--;
    },
  });
  appendFileSync(bench.file, "# 1\n");
  await watch.until(() => running === 1);
  appendFileSync(bench.file, "# 2\n");
  release();
  await watch.until(() => watch.changes === 2);
  release();
  expect(runningMost).toBe(1);
});

test("watchConfig() reports a folder that cannot be watched, and goes on looking", async () => {
  using bench = new ConfigBench();
  const clock = new ManualClock();
  const path = join(bench.folder, "absent", "config.yaml");
  using watch = new Watch(path, { clock });
  await watch.until(() => watch.errors.length > 0);
  expect(watch.changes).toBe(0);
});

test("watchConfig() reports an onChange that fails, and tells of the next change", async () => {
  using bench = new ConfigBench(MINIMAL);
  using watch = new Watch(bench.file, {
    onChange: () => {
      throw new Error("not this time");
    },
  });
  appendFileSync(bench.file, "# 1\n");
  await watch.until(() => watch.errors.length === 1);
  appendFileSync(bench.file, "# 2\n");
  await watch.until(() => watch.errors.length === 2);
});
