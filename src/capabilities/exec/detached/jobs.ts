// The jobs of a node, as their folders tell: found again after a restart, lost when their supervisor is gone.
// It must never say "running" of a process that only has the same number.
// Next: record.ts for the files; handler.ts answers calls from this.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Services } from "../../../contract/services.ts";
import { killLeftBehind } from "../left_behind.ts";
import { quoteWords } from "../shell_words.ts";
import { logBytes } from "./log.ts";
import type { JobView } from "./operations.ts";
import {
  ENDING_FILE,
  type EndingRecord,
  JOB_FILE,
  type JobRecord,
  readRecord,
  SUPERVISOR_FILE,
  type SupervisorRecord,
  startTimeOf,
  writeRecord,
} from "./record.ts";

const ID = /^[a-z2-7]{8}$/;
const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
/** How long a supervisor that was started may take to say who it is (ms). */
const BIRTH_MS = 10_000;

/** One job, as its folder is now. */
export interface Job {
  readonly folder: string;
  readonly record: JobRecord;
  readonly supervisor: SupervisorRecord | undefined;
  readonly ending: EndingRecord | undefined;
}

/** Where the jobs of a node are. */
export function jobsFolder({ state }: Pick<Services, "state">): string {
  const folder = join(state.folder("exec"), "jobs");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** A fresh id: 40 bits, so that none is ever given twice. */
export function newJobId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => ID_LETTERS[byte & 31]).join("");
}

/** A job by id, whoever's it is. */
export async function findJob(folder: string, id: string): Promise<Job | undefined> {
  if (!ID.test(id)) return undefined;
  const path = join(folder, id);
  const record = readRecord<JobRecord>(path, JOB_FILE);
  if (!record) return undefined;
  const supervisor = readRecord<SupervisorRecord>(path, SUPERVISOR_FILE);
  const ending = readRecord<EndingRecord>(path, ENDING_FILE);
  if (ending || isAlive(supervisor) || isUnborn(record, supervisor))
    return { folder: path, record, supervisor, ending };
  // It may have written its ending between the two looks.
  const late = readRecord<EndingRecord>(path, ENDING_FILE) ?? (await markLost(path, supervisor));
  return { folder: path, record, supervisor, ending: late };
}

/** All jobs, newest first. */
export async function listJobs(folder: string): Promise<readonly Job[]> {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const jobs = await Promise.all(names.map((name) => findJob(folder, name)));
  return jobs
    .filter((job) => job !== undefined)
    .sort((a, b) => b.record.started_at.localeCompare(a.record.started_at));
}

/** Forgets the oldest ended jobs until there is room for one more. Whether there is. */
export async function makeRoom(folder: string, max: number): Promise<boolean> {
  const jobs = await listJobs(folder);
  let excess = jobs.length + 1 - max;
  for (const job of jobs.toReversed()) {
    if (excess <= 0) break;
    if (!job.ending) continue;
    rmSync(job.folder, { recursive: true, force: true });
    excess--;
  }
  return excess <= 0;
}

/** A job as callers see it. */
export function viewOf({ folder, record, ending }: Job): JobView {
  const { id, owner_name, argv, cwd, started_at } = record;
  const { state = "running", ...rest } = ending ?? {};
  const known = Object.entries(rest).filter(([, value]) => value !== undefined && value !== null);
  return {
    id,
    state,
    owner: owner_name,
    command: quoteWords(argv),
    cwd,
    started_at,
    ...Object.fromEntries(known),
    log_bytes: logBytes(folder),
  };
}

/** Asks the supervisor to end the job with all it started. */
export function stopJob({ supervisor, ending }: Job): void {
  if (ending || !supervisor || !isAlive(supervisor)) return;
  try {
    process.kill(supervisor.pid, "SIGTERM");
  } catch {
    // Ended meanwhile.
  }
}

function isAlive(supervisor: SupervisorRecord | undefined): boolean {
  return supervisor !== undefined && startTimeOf(supervisor.pid) === supervisor.started;
}

function isUnborn({ started_at }: JobRecord, supervisor: SupervisorRecord | undefined): boolean {
  return supervisor === undefined && Date.now() - Date.parse(started_at) < BIRTH_MS;
}

/** Nobody keeps its limits any more: what it started is ended, and how it would have ended is not known. */
async function markLost(
  folder: string,
  supervisor: SupervisorRecord | undefined,
): Promise<EndingRecord> {
  if (supervisor) await killLeftBehind(supervisor.pid);
  const lost: EndingRecord = { state: "lost", ended_at: new Date().toISOString() };
  writeRecord(folder, ENDING_FILE, lost);
  return lost;
}
