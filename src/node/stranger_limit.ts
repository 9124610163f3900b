// Bounds what keys that are no principal can cost: how many sessions, for how long, how many audit entries.
// It must never touch a principal's session.
// Next: node.ts asks before it admits and before it records.

import type { Clock } from "../clock.ts";
import type { Session } from "../wire/session.ts";

/** Sessions of strangers at once; the oldest goes when another comes. */
const SESSIONS_MAX = 64;
/** How long a stranger may stay (ms): enough to redeem an invitation. */
const STAY_MS = 30_000;
/** Audit entries about refused strangers and malformed requests, per second: a flood must not fill the disk. */
const RECORDS_PER_SEC = 20;

/** Keeps strangers few. */
export class StrangerLimit {
  readonly #clock: Clock;
  readonly #sessions = new Set<Session>();
  #windowStartMs = 0;
  #recorded = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lets a stranger's session stay for a while; it may stay on once it `isKnown`. */
  admit(session: Session, isKnown: () => boolean): void {
    this.#sessions.add(session);
    if (this.#sessions.size > SESSIONS_MAX)
      this.#sessions.values().next().value?.close("node.too_many_strangers");
    const timer = this.#clock.after(STAY_MS, () => {
      if (!isKnown()) session.close("node.stranger_timeout");
    });
    void session.ended.then(() => {
      timer[Symbol.dispose]();
      this.#sessions.delete(session);
    });
  }

  /** Whether another refusal may be recorded this second. */
  mayRecord(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= 1000) {
      this.#windowStartMs = nowMs;
      this.#recorded = 0;
    }
    this.#recorded++;
    return this.#recorded <= RECORDS_PER_SEC;
  }
}
