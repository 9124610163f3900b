// Bounds what keys that are no principal can cost: how many sessions, for how long, how many audit entries.
// It must never touch a principal's session.
// Next: node.ts asks before it admits and before it records.

import type { Clock } from "../clock.ts";
import type { Principal } from "../contract/capability.ts";
import { OperonError } from "../error.ts";
import type { Session } from "../wire/session.ts";

/** Sessions of strangers at once; the oldest goes when another comes. */
const SESSIONS_MAX = 64;
/** How long a stranger may stay (ms): enough to redeem an invitation. */
const STAY_MS = 30_000;
/** Audit entries about refused strangers and malformed requests, per second: a flood must not fill the disk. */
const RECORDS_PER_SEC = 20;
/** Invitations strangers may try to redeem, per second. */
const TRIES_PER_SEC = 20;

/** Keeps strangers few. */
export class StrangerLimit {
  readonly #clock: Clock;
  readonly #sessions = new Set<Session>();
  readonly #records: PerSecond;
  readonly #tries: PerSecond;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#records = new PerSecond(clock, RECORDS_PER_SEC);
    this.#tries = new PerSecond(clock, TRIES_PER_SEC);
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
    return this.#records.take();
  }

  /** Whether another stranger may try an invitation this second: what is decided is recorded, too. */
  mayTry(): boolean {
    return this.#tries.take();
  }
}

/** So many a second, and no more. */
class PerSecond {
  readonly #clock: Clock;
  readonly #most: number;
  #windowStartMs = 0;
  #taken = 0;

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  take(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= 1000) {
      this.#windowStartMs = nowMs;
      this.#taken = 0;
    }
    this.#taken++;
    return this.#taken <= this.#most;
  }
}

/** The one answer strangers get; `isKnown` when only whoever relayed the call is one. */
export function strangerRefused({ id }: Principal, isKnown: boolean): OperonError {
  return new OperonError({
    code: "policy.denied",
    kind: "permission_denied",
    message: isKnown
      ? "The relay of this call is no principal of this node"
      : `The key ${id} is no principal of this node`,
    hint: "Ask whoever keeps the node for an invitation: operon node invite --role ROLE there, operon node join CODE here",
    data: { reason: isKnown ? "relay-not-allowed" : "principal-unknown" },
  });
}

/** More strangers try an invitation than are let through. */
export function tooManyTries(): OperonError {
  return new OperonError({
    code: "node.too_many_strangers",
    kind: "resource_exhausted",
    message: "Too many keys that this node does not know try to join it",
    hint: "Try again in a moment",
  });
}
