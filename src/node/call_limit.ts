// Counts the calls each key has under way, over all its sessions.
// It must never let one key hold so much of the node that others are not served.
// Next: node.ts asks before anything is looked up; wire/served_calls.ts has the limit of one session.

import { OperonError } from "../error.ts";
import { CALLS_PER_PRINCIPAL_MAX } from "../limits.ts";

/** The calls under way, by key. */
export class CallLimit {
  readonly #most: number;
  readonly #live = new Map<string, number>();

  constructor(most = CALLS_PER_PRINCIPAL_MAX) {
    this.#most = most;
  }

  /** Counts a call of a key until disposed. @throws OperonError `node.too_many_calls` */
  enter(key: string): Disposable {
    const live = this.#live.get(key) ?? 0;
    if (live >= this.#most) throw tooMany(this.#most);
    this.#live.set(key, live + 1);
    return { [Symbol.dispose]: () => this.#leave(key) };
  }

  #leave(key: string): void {
    const live = (this.#live.get(key) ?? 0) - 1;
    if (live > 0) this.#live.set(key, live);
    else this.#live.delete(key);
  }
}

function tooMany(most: number): OperonError {
  return new OperonError({
    code: "node.too_many_calls",
    kind: "resource_exhausted",
    message: `A key may have ${most} calls under way on a node`,
    hint: "Wait for some of them to end",
  });
}
