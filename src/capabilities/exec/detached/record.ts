// What is kept of a job: who started what, which process looks after it, and how it ended. A folder of small files each.
// It must never hold a value of the environment, nor be believed about a process whose start time is another's.
// Next: supervisor.ts writes the process and the ending, jobs.ts everything else.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Written once, before anything runs. */
export interface JobRecord {
  readonly id: string;
  /** Key id of the principal who started it, and its name then. */
  readonly owner: string;
  readonly owner_name: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  /** RFC 3339. */
  readonly started_at: string;
  readonly timeout_secs: number;
}

/** The process that looks after the job. */
export interface SupervisorRecord {
  readonly pid: number;
  /** Start time as `/proc` has it: tells it from a later process of the same number. */
  readonly started: string;
}

/** How a job ended. */
export interface EndingRecord {
  readonly state: "exited" | "cancelled" | "timed_out" | "output_limit" | "failed" | "lost";
  readonly exit_code?: number | undefined;
  readonly signal?: string | undefined;
  readonly ended_at: string;
  readonly duration_ms?: number | undefined;
  readonly stdout_bytes?: number | undefined;
  readonly stderr_bytes?: number | undefined;
}

/** Files of a job's folder. */
export const JOB_FILE = "job.json";
export const SUPERVISOR_FILE = "supervisor.json";
export const ENDING_FILE = "ending.json";
/** Socket in a job's folder that takes its input. */
export const INPUT_SOCKET = "in";

/** Writes a file whole or not at all. */
export function writeRecord(folder: string, name: string, value: object): void {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** What a file holds; undefined when it is not there or was never finished. */
export function readRecord<Kind>(folder: string, name: string): Kind | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, name), "utf8")) as Kind;
  } catch {
    return undefined;
  }
}

/** When a process started, as the kernel counts; undefined when there is none (proc(5), field 22 of stat). */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
