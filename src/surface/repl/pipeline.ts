// Several commands at once, what one prints being what the next one reads.
// It must never take half of a stream for all of it: where one fails, those after it fail too.
// Next: pipe.ts is what stands between two of them; stage.ts makes the commands.

import { OperonError } from "../../error.ts";
import type { Stdio } from "../cli/stdio.ts";
import { Pipe } from "./pipe.ts";

/** A command that is ready to run: resolves to its exit code. */
export type RunStage = (stdio: Stdio) => Promise<number>;

/** Around the commands of a pipe. */
export interface PipelineOptions {
  /** The first command reads its input, the last writes its output, all write errors. */
  readonly stdio: Stdio;
  /** Tells of a failure and resolves to its exit code. */
  readonly report: (error: unknown) => Promise<number>;
}

/** 128 + SIGPIPE, as shells have it. */
const OUTPUT_CLOSED = 141;

/** Resolves to the exit code: the last command's, or that of one before it that failed as a call. Never rejects. */
export async function runPipeline(
  stages: readonly RunStage[],
  { stdio, report }: PipelineOptions,
): Promise<number> {
  const pipes = stages.slice(1).map(() => new Pipe());
  const reported = new Map<unknown, number>();
  const failures: (number | undefined)[] = [];
  const running = stages.map(async (stage, index) => {
    const before = pipes[index - 1];
    const after = pipes[index];
    try {
      const code = await stage({
        stdin: before?.input ?? stdio.stdin,
        stdout: after?.output ?? stdio.stdout,
        stderr: stdio.stderr,
      });
      after?.end();
      return code;
    } catch (error) {
      // A reader that left has seen what it wanted: `cat x | head` is no failure.
      const isClosed = error instanceof OperonError && error.code === "cli.output_closed";
      if (after && isClosed) return OUTPUT_CLOSED;
      // What broke off upstream has been told already.
      after?.end({ error });
      const known = reported.get(error);
      if (known !== undefined) return known;
      reported.set(error, 1);
      const code = await report(error);
      reported.set(error, code);
      failures[index] = code;
      return code;
    } finally {
      before?.close();
    }
  });
  const codes = await Promise.all(running);
  const last = codes.at(-1) ?? 0;
  return last !== 0 ? last : (failures.find((code) => code !== undefined) ?? 0);
}
