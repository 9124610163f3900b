// Handlers of jobs: start one beside the node, tell about it, pass its output and input, end it.
// It must never tell a caller about another's job, unless policy's exec.jobs.visible_to names a role of theirs.
// Next: jobs.ts finds jobs, job_start.ts and job_channel.ts speak to the process that looks after one.

import { mkdirSync, rmSync, watch } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../clock.ts";
import type { Call, Handlers } from "../../../contract/capability.ts";
import { buildEnvironment } from "../environment.ts";
import type { CommandFacts } from "../facts.ts";
import type { ExecSettings } from "../schema.ts";
import { confinementOrder, openFolder, pinned, secretValues, startError } from "../start.ts";
import { maySee } from "../visibility.ts";
import { sendInput, startSupervisor } from "./job_channel.ts";
import {
  findJob,
  type Job,
  jobsFolder,
  listJobs,
  makeRoom,
  newJobId,
  stopJob,
  viewOf,
} from "./jobs.ts";
import { LogReader, type LogRecord, lastLines } from "./log.ts";
import type { jobOperations } from "./operations.ts";
import { JOB_FILE, writeRecord } from "./record.ts";

type Needs = "mounts" | "settings" | "state" | "secrets";
type Operations = typeof jobOperations;
type JobCall = Pick<
  Call<Operations["status"], Needs>,
  "services" | "principal" | "fail" | "signal"
>;

/** How often to look at a job where its folder cannot be watched (ms). */
const LOOK_MS = 200;
/** How long a cancelled job may take to be gone (ms). */
const CANCEL_MS = 10_000;
/** What `wait` exits with for a job that was ended from outside, as a shell has it after SIGTERM, and for a lost one. */
const EXIT_CANCELLED = 143;
const EXIT_UNKNOWN = 125;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** One handler per operation. */
export const jobHandlers: Handlers<Operations, Needs> = {
  async start({ env, secrets }, call) {
    // The facts of this capability's own resolver, passed through by the node.
    const facts = call.facts as unknown as CommandFacts;
    if (facts.problem) throw call.fail(facts.problem.error, facts.problem.data);
    const settings = call.services.settings.of("exec") as ExecSettings;
    const values = await secretValues(secrets, call);
    const jobs = jobsFolder(call.services);
    if (!(await takeRoom(jobs, settings.jobs.max)))
      throw call.fail("jobs_full", { max: settings.jobs.max });
    const id = newJobId();
    const job_folder = join(jobs, id);
    mkdirSync(job_folder, { mode: 0o700 });
    writeRecord(job_folder, JOB_FILE, {
      id,
      owner: call.principal.id,
      owner_name: call.principal.name,
      argv: facts.argv,
      cwd: facts.cwd ?? "",
      started_at: new Date(systemClock.nowMs()).toISOString(),
      timeout_secs: facts.timeout_secs,
    });
    const executable = facts.executable ?? "";
    try {
      using folder = openFolder(facts, call);
      const answer = await startSupervisor({
        cwd: pinned(folder),
        executable,
        argv0: facts.argv0,
        rest: facts.argv.slice(1),
        environment: { ...buildEnvironment(settings, process.env, env), ...values },
        secrets: values,
        timeout_secs: facts.timeout_secs,
        output_bytes_max: settings.output_bytes_max,
        background: settings.background,
        confinement: confinementOrder(settings, call),
        job_folder,
        log_bytes_max: settings.jobs.log_bytes_max,
      });
      if (answer.started) return { id };
      const { code, message } = answer;
      const thrown = Object.assign(new Error(message), { code, syscall: "spawn" });
      throw startError(thrown, { executable, call });
    } catch (error) {
      rmSync(job_folder, { recursive: true, force: true });
      throw error;
    }
  },

  async list({ state, limit }, call) {
    const jobs = (await listJobs(jobsFolder(call.services))).filter(({ record }) =>
      isVisible(record, call),
    );
    const views = jobs.map(viewOf).filter((job) => state === undefined || job.state === state);
    return { jobs: views.slice(0, limit) };
  },

  async status({ id }, call) {
    return viewOf(await jobOf(id, call));
  },

  async *logs({ id, follow, from = 0, tail, stream }, call) {
    const { folder } = await jobOf(id, call);
    using reader = new LogReader(folder, from);
    const isWanted = ({ channel }: LogRecord) => stream === undefined || channel === stream;
    let first: LogRecord | undefined;
    if (tail !== undefined)
      yield* (await lastLines(reader, { lines: tail, isWanted })).map(pieceOf);
    for (;;) {
      // Whether it had ended is asked before the log is read: nothing is written after the end.
      const { ending } = await jobOf(id, call);
      for await (const record of reader.records()) {
        first ??= record;
        if (isWanted(record)) yield pieceOf(record);
        call.signal.throwIfAborted();
      }
      if (!ending && follow) {
        await changed(folder, call.signal);
        continue;
      }
      const isCut = tail === undefined && first !== undefined && first.sequence > from;
      return {
        state: ending?.state ?? "running",
        ...(typeof ending?.exit_code === "number" ? { exit_code: ending.exit_code } : {}),
        next_sequence: reader.next,
        dropped_records: isCut && first ? first.sequence - from : 0,
        dropped_bytes: isCut && first && from === 0 ? first.before.stdout + first.before.stderr : 0,
      };
    }
  },

  async stdin({ id, close }, call) {
    const job = await jobOf(id, call);
    if (job.ending) throw call.fail("ended", { state: job.ending.state });
    const { incoming, signal } = call;
    const accepted_bytes = await sendInput(job.folder, { close, incoming, signal });
    if (accepted_bytes === undefined) throw call.fail("ended");
    return { accepted_bytes, closed: close };
  },

  async cancel({ id }, call) {
    stopJob(await jobOf(id, call));
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(CANCEL_MS)]);
    return viewOf(await ended(id, call, signal));
  },

  async wait({ id }, call) {
    const view = viewOf(await ended(id, call, call.signal));
    const unknown = view.state === "cancelled" ? EXIT_CANCELLED : EXIT_UNKNOWN;
    return { ...view, exit_code: view.exit_code ?? unknown };
  },
};

/** Jobs that look for room now: none of them may take what another is about to have. */
let looking = 0;

async function takeRoom(jobs: string, max: number): Promise<boolean> {
  looking++;
  try {
    return await makeRoom(jobs, max - looking + 1);
  } finally {
    looking--;
  }
}

async function jobOf(id: string, call: Omit<JobCall, "signal">): Promise<Job> {
  const job = await findJob(jobsFolder(call.services), id);
  if (!job || !isVisible(job.record, call)) throw call.fail("unknown", { id });
  return job;
}

function isVisible(
  { owner }: Job["record"],
  { principal, services }: Pick<JobCall, "principal" | "services">,
): boolean {
  const { jobs } = services.settings.of("exec") as ExecSettings;
  return maySee(principal, { owner, visible_to: jobs.visible_to });
}

async function ended(id: string, call: Omit<JobCall, "signal">, signal: AbortSignal): Promise<Job> {
  for (;;) {
    const job = await jobOf(id, call);
    if (job.ending) return job;
    await changed(job.folder, signal);
  }
}

/** Resolves when something in a folder may have changed; rejects when the signal aborts. */
function changed(folder: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const end = () => {
      watcher.close();
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", abort);
      resolve();
    };
    const abort = () => {
      reject(signal.reason);
      end();
    };
    const watcher = watch(folder, end);
    watcher.on("error", end);
    const timer = systemClock.after(LOOK_MS, end);
    signal.addEventListener("abort", abort, { once: true });
  });
}

function pieceOf({ sequence, time_ms, channel, bytes }: LogRecord) {
  const piece = { sequence, time: new Date(time_ms).toISOString(), stream: channel };
  try {
    return { ...piece, text: utf8.decode(bytes) };
  } catch {
    return { ...piece, base64: Buffer.from(bytes).toString("base64") };
  }
}
