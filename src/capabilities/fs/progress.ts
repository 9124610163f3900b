// How far a copy has come, told while it goes on.
// It must never hold the copy up: whoever does not read gets larger steps.
// Next: transfer.ts and fetch_tree.ts tell it.

import { systemClock } from "../../clock.ts";

/** Progress is told this often (ms). */
const PROGRESS_MS = 200;

/** Does the work, and yields the bytes it reports in between. */
export async function* withProgress<Result>(
  work: (onBytes: (bytes: number) => void) => Promise<Result>,
): AsyncGenerator<{ bytes: number }, Result, undefined> {
  let bytes = 0;
  let isOver = false;
  const working = work((more) => {
    bytes += more;
  }).finally(() => {
    isOver = true;
  });
  working.catch(() => {});
  while (!isOver) {
    const waiting = new AbortController();
    const pause = systemClock.sleep(PROGRESS_MS, waiting.signal).catch(() => {});
    await Promise.race([working, pause]).finally(() => waiting.abort());
    if (bytes === 0) continue;
    yield { bytes };
    bytes = 0;
  }
  return working;
}
