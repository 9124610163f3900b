// Ends what goes on without a call: jobs and terminals of keys that are principals no more.
// It must never end what belongs to a principal, whatever its rules say now: what it may still do is asked at its calls.
// Next: detached/jobs.ts, session/session_record.ts know what there is.

import { systemClock } from "../../clock.ts";
import type { Services } from "../../contract/services.ts";
import { jobsFolder, listJobs, stopJob } from "./detached/jobs.ts";
import { hangUp } from "./session/connection.ts";
import { endOf, isHosted, listSessions, sessionFolder } from "./session/session_record.ts";

/** How long to look for what was only about to start, or takes its time to end (ms). */
const LOOK_MS = 15_000;
const LOOK_EVERY_MS = 250;

/** Ends them; resolves when they are gone, or will not go. */
export async function endRevoked(
  services: Pick<Services, "state">,
  isPrincipal: (key: string) => boolean,
): Promise<void> {
  await Promise.all([endSessions(services, isPrincipal), endJobs(services, isPrincipal)]);
}

async function endJobs(
  services: Pick<Services, "state">,
  isPrincipal: (key: string) => boolean,
): Promise<void> {
  const endMs = systemClock.monotonicMs() + LOOK_MS;
  for (;;) {
    const jobs = await listJobs(jobsFolder(services));
    const left = jobs.filter(({ record, ending }) => !ending && !isPrincipal(record.owner));
    if (left.length === 0 || systemClock.monotonicMs() > endMs) return;
    for (const job of left) stopJob(job);
    await systemClock.sleep(LOOK_EVERY_MS);
  }
}

async function endSessions(
  { state }: Pick<Services, "state">,
  isPrincipal: (key: string) => boolean,
): Promise<void> {
  const place = state.folder("exec");
  const endMs = systemClock.monotonicMs() + LOOK_MS;
  for (;;) {
    const left = listSessions(place)
      .filter(({ owner }) => !isPrincipal(owner))
      .map(({ id }) => sessionFolder(place, id))
      .filter((folder) => !endOf(folder) && isHosted(folder));
    if (left.length === 0 || systemClock.monotonicMs() > endMs) return;
    await Promise.all(left.map(hangUp));
    await systemClock.sleep(LOOK_EVERY_MS);
  }
}
