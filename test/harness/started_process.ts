// One process, whatever its id comes to mean later: a busy machine gives ids out again within a minute.

import { readFileSync } from "node:fs";

/** A process that ran when it was asked for. */
export class StartedProcess {
  readonly #pid: number;
  readonly #startTime: string | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#startTime = startTimeOf(pid);
  }

  /** Whether it still runs, and has not only left its exit status behind. */
  get isAlive(): boolean {
    return this.#startTime !== undefined && startTimeOf(this.#pid) === this.#startTime;
  }
}

/** When a process that lives was started (clock ticks since boot; proc(5), field 22). */
function startTimeOf(pid: number): string | undefined {
  try {
    const [state = "", ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return "ZX".includes(state) ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
