import { expect, test } from "bun:test";
import { OperonError } from "../../error.ts";
import type { Stdio } from "../cli/stdio.ts";
import { Pipe } from "./pipe.ts";
import { type RunStage, runPipeline } from "./pipeline.ts";

const nowhere: Stdio = {
  stdin: { isTty: false, isPiped: false, async *chunks() {} },
  stdout: { isTty: false, columns: 80, async write() {} },
  stderr: { isTty: false, columns: 80, async write() {} },
};

async function text(pipe: Pipe): Promise<string> {
  let all = "";
  for await (const chunk of pipe.input.chunks()) all += new TextDecoder().decode(chunk);
  return all;
}

test("a pipe hands over what is written, in order", async () => {
  const pipe = new Pipe();
  const reading = text(pipe);
  await pipe.output.write("one ");
  await pipe.output.write(new TextEncoder().encode("two"));
  pipe.end();
  expect(await reading).toBe("one two");
});

test("attack 11: a writer waits for a reader that has stopped, and no more than the bound is held", async () => {
  const pipe = new Pipe();
  const chunk = new Uint8Array(256 * 1024);
  let written = 0;
  const writing = (async () => {
    for (let i = 0; i < 40; i++) {
      await pipe.output.write(chunk);
      written++;
    }
    pipe.end();
  })();
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  expect(written).toBe(4);
  let read = 0;
  for await (const bytes of pipe.input.chunks()) {
    read += bytes.byteLength;
    expect(written * chunk.byteLength - read).toBeLessThanOrEqual(1024 * 1024);
  }
  await writing;
  expect(read).toBe(40 * chunk.byteLength);
});

test("a writer learns that its reader has gone, also while it waits", async () => {
  const pipe = new Pipe();
  const waiting = pipe.output.write(new Uint8Array(2 * 1024 * 1024));
  pipe.close();
  expect(waiting).rejects.toMatchObject({ code: "cli.output_closed" });
  expect(pipe.output.write("x")).rejects.toMatchObject({ code: "cli.output_closed" });
});

test("a stream that breaks off ends in its error, after what was written", async () => {
  const pipe = new Pipe();
  await pipe.output.write("half");
  pipe.end({ error: new Error("broken") });
  pipe.end();
  const chunks = pipe.input.chunks()[Symbol.asyncIterator]();
  expect((await chunks.next()).value).toEqual(new TextEncoder().encode("half"));
  expect(chunks.next()).rejects.toThrow("broken");
});

const copy: RunStage = async ({ stdin, stdout }) => {
  for await (const chunk of stdin.chunks()) await stdout.write(chunk);
  return 0;
};
const write =
  (data: string, code = 0): RunStage =>
  async ({ stdout }) => {
    await stdout.write(data);
    return code;
  };
const fail =
  (error: Error): RunStage =>
  async () => {
    throw error;
  };

test.each([
  [[write("x", 3)], 3],
  [[write("x", 3), copy], 0],
  [[copy, write("x", 4)], 4],
])("a pipeline's code is its last command's", async (stages, code) => {
  const report = async () => 9;
  expect(await runPipeline(stages, { stdio: nowhere, report })).toBe(code);
});

test("a pipeline tells once of a failure that goes down its pipes", async () => {
  const told: unknown[] = [];
  const error = new OperonError({ code: "x.y", kind: "not_found", message: "No" });
  const code = await runPipeline([write("a"), fail(error), copy, copy], {
    stdio: nowhere,
    report: async (failure) => told.push(failure) + 6,
  });
  expect(told).toEqual([error]);
  expect(code).toBe(7);
});

test("a pipeline whose first command failed as a call does not end in 0", async () => {
  const code = await runPipeline([fail(new Error("no")), async () => 0], {
    stdio: nowhere,
    report: async () => 70,
  });
  expect(code).toBe(70);
});

test("a pipeline's last output that is closed is reported", async () => {
  const closed = new OperonError({ code: "cli.output_closed", kind: "cancelled", message: "Gone" });
  const stdout = { ...nowhere.stdout, write: () => Promise.reject(closed) };
  const report = async () => 141;
  expect(await runPipeline([write("x")], { stdio: { ...nowhere, stdout }, report })).toBe(141);
});
