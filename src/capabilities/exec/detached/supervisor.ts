// The process beside the node that looks after one job: runs it, keeps its output, feeds its input, writes down its end.
// It must never need the node: that may stop and start again while the job goes on.
// Next: handler.ts starts it; log.ts and record.ts are what it leaves; job_input.ts takes what callers send.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../clock.ts";
import { redacted, type SecretValues } from "../../../secret/redactor.ts";
import { type Command, run } from "../run.ts";
import { JobInput } from "./job_input.ts";
import { LogWriter } from "./log.ts";
import {
  ENDING_FILE,
  type EndingRecord,
  INPUT_SOCKET,
  SUPERVISOR_FILE,
  startTimeOf,
  writeRecord,
} from "./record.ts";

/** What the node says on standard input, as JSON: the environment may hold secrets, and argv is everybody's to read. */
export interface SupervisorOrder
  extends Pick<
    Command,
    | "executable"
    | "argv0"
    | "rest"
    | "environment"
    | "timeout_secs"
    | "output_bytes_max"
    | "background"
    | "confinement"
  > {
  /** Where the command starts; can be reached until the answer is given. */
  readonly cwd: string;
  /** Host path of the job's folder. */
  readonly job_folder: string;
  readonly log_bytes_max: number;
  /** Those in the environment whose values must not reach the log. */
  readonly secrets: SecretValues;
}

/** What it answers on standard output, one line: that the command runs, or why it cannot. */
export type SupervisorAnswer =
  | { readonly started: true }
  | { readonly started: false; readonly code: string; readonly message: string };

/** How long whoever sent input may take to hear that it was taken, once the command has ended (ms). */
const FAREWELL_MS = 500;

/** Runs one job to its end. */
export async function superviseJob(): Promise<number> {
  const order = JSON.parse(await Bun.stdin.text()) as SupervisorOrder;
  const stop = new AbortController();
  process.on("SIGTERM", () => stop.abort("SIGTERM"));
  for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => {});
  const folder = order.job_folder;
  writeRecord(folder, SUPERVISOR_FILE, { pid: process.pid, started: startTimeOf(process.pid) });
  const input = new JobInput();
  const server = input.listen(folder);
  const ending = await supervise(order, { input, signal: stop.signal });
  const answered = new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(join(folder, INPUT_SOCKET), { force: true });
  const ended_at = new Date(systemClock.nowMs()).toISOString();
  writeRecord(folder, ENDING_FILE, { ...ending, ended_at });
  const { promise: late, resolve } = Promise.withResolvers<void>();
  using _timer = systemClock.after(FAREWELL_MS, resolve);
  await Promise.race([answered, late]);
  return 0;
}

async function supervise(
  order: SupervisorOrder,
  { input, signal }: { input: JobInput; signal: AbortSignal },
): Promise<Omit<EndingRecord, "ended_at">> {
  using log = new LogWriter(order.job_folder, order.log_bytes_max);
  const command = redacted(
    run({
      ...order,
      // The folder this process is in, whatever its name means by now.
      folder: "/proc/self/cwd",
      output_bytes_max: order.output_bytes_max,
      incoming: input.chunks(),
      signal,
      clock: systemClock,
      started: () => answer({ started: true }),
    }),
    order.secrets,
  );
  try {
    process.chdir(order.cwd);
    for (;;) {
      const next = await command.next();
      if (!next.done) {
        log.append(next.value.channel, next.value.bytes, systemClock.nowMs());
        continue;
      }
      const { timed_out, output_limit, exit_code, signal: killer, ...counts } = next.value;
      const state = timed_out ? "timed_out" : output_limit ? "output_limit" : "exited";
      return { ...counts, state, exit_code, ...(killer === undefined ? {} : { signal: killer }) };
    }
  } catch (error) {
    if (signal.aborted) return { state: "cancelled" };
    const { code = "EIO", message } = error as NodeJS.ErrnoException;
    answer({ started: false, code, message });
    return { state: "failed" };
  }
}

/** Nobody may read it any more: the node asks for the first line only. */
function answer(line: SupervisorAnswer): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
