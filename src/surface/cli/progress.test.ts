import { expect, test } from "bun:test";
import { ManualClock } from "../../../test/clock.ts";
import type { CliContext } from "./context.ts";
import { openProgress, sizeText } from "./progress.ts";
import type { Output } from "./stdio.ts";
import type { GlobalFlags } from "./verb.ts";

interface Options {
  readonly isTty?: boolean;
  readonly stdoutIsTty?: boolean;
  readonly globals?: Partial<GlobalFlags>;
  readonly hasProgress?: boolean;
  readonly totalBytes?: number;
  readonly isTyped?: boolean;
  readonly node?: string;
}

function opened(options: Options = {}) {
  const { isTty = true, stdoutIsTty = false, globals = {}, hasProgress, ...rest } = options;
  const clock = new ManualClock();
  const controller = new AbortController();
  let screen = "";
  const output = (isTerminal: boolean): Output => ({
    isTty: isTerminal,
    columns: 60,
    async write(data) {
      if (isTerminal) screen += data;
    },
  });
  const context = {
    stdio: { stdout: output(stdoutIsTty), stderr: output(isTty) },
    clock,
    signal: controller.signal,
    ...(hasProgress === undefined ? {} : { hasProgress }),
  } as unknown as CliContext;
  const progress = openProgress(
    { context, globals: { quiet: false, json: false, ...globals } as GlobalFlags },
    { node: "gpu", ...rest },
  );
  return {
    progress,
    clock,
    controller,
    stdio: progress.running.context.stdio,
    screen: () => screen,
    /** What stands in the line now. */
    line: () => screen.split("\r\x1b[K").at(-1),
  };
}

test("nothing is said of a call that takes less than a second", () => {
  const { progress, clock, screen } = opened();
  clock.advance(999);
  progress[Symbol.dispose]();
  clock.advance(5_000);
  expect(screen()).toBe("");
});

test("a wait names the node, and goes without a trace", () => {
  const { progress, clock, screen, line } = opened();
  clock.advance(3_000);
  expect(line()).toBe("Waiting for gpu, 3 s");
  progress[Symbol.dispose]();
  expect(screen()).toEndWith("\r\x1b[K");
  const shown = screen();
  clock.advance(5_000);
  expect(screen()).toBe(shown);
});

test("bytes are shown with their rate, and with the total when it is known", async () => {
  const { clock, line, stdio } = opened();
  await stdio.stdout.write(new Uint8Array(1024 * 1024));
  clock.advance(2_000);
  expect(line()).toBe("1.0 MiB, 512.0 KiB/s");
  const known = opened({ totalBytes: 4_000 });
  for await (const _item of known.progress.counted(items(1_000, 1_000)));
  known.clock.advance(1_000);
  expect(known.line()).toBe("2.0 KiB of 3.9 KiB (50 %), 2.0 KiB/s");
  known.progress.add(1_000_000);
  known.clock.advance(1_000);
  expect(known.line()).toBe("978.5 KiB, 489.3 KiB/s");
});

test("what is written to a file is counted", async () => {
  const { progress, clock, line } = opened();
  const written: number[] = [];
  const file = progress.saving({
    write: async (bytes) => void written.push(bytes.byteLength),
    commit: async () => void written.push(-1),
    [Symbol.asyncDispose]: async () => {},
  });
  await file.write(new Uint8Array(2048));
  await file.commit();
  clock.advance(1_000);
  expect(written).toEqual([2048, -1]);
  expect(line()).toBe("2.0 KiB, 2.0 KiB/s");
});

test("the first thing on the terminal ends it, before that is written", async () => {
  const { clock, screen, stdio } = opened({ stdoutIsTty: true });
  clock.advance(1_000);
  await stdio.stdout.write("hello");
  clock.advance(9_000);
  expect(screen()).toBe("\r\x1b[KWaiting for gpu, 1 s\r\x1b[Khello");
  const other = opened();
  await other.stdio.stderr.write("careful\n");
  other.clock.advance(9_000);
  expect(other.screen()).toBe("careful\n");
});

test("a cancelled call is waited for without a word", () => {
  const { clock, controller, screen } = opened();
  clock.advance(1_000);
  controller.abort();
  clock.advance(9_000);
  expect(screen()).toBe("\r\x1b[KWaiting for gpu, 1 s\r\x1b[K");
});

test.each([
  [{ isTty: false }],
  [{ globals: { json: true } }],
  [{ globals: { quiet: true } }],
  [{ hasProgress: false }],
  [{ isTyped: true }],
])("with %p nothing is shown", async (options) => {
  const { clock, screen, stdio } = opened(options);
  await stdio.stdout.write("x");
  clock.advance(60_000);
  expect(screen()).toBe("");
});

test("attack 27: a node's name cannot steer the terminal, nor run over the line", () => {
  const { clock, line } = opened({ node: `x\x1b[2J${"y".repeat(200)}` });
  clock.advance(1_000);
  expect(line()).toStartWith("Waiting for x\\x1b[2Jyyy");
  expect(line()!.length).toBe(59);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [3 * 1024 ** 3, "3.0 GiB"],
  [2 ** 60, "1048576.0 TiB"],
])("sizeText(%p) is %p", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

async function* items(...sizes: readonly number[]) {
  for (const size of sizes) yield new Uint8Array(size);
}
