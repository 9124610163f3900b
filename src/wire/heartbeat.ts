// Whether the other end of a session is still there, and how far away it is.
// It must never take a peer that says nothing for one that has nothing to say: it is asked, and then given up.
// Next: session.ts sends the pings and ends when the peer is silent.

import type { Clock } from "../clock.ts";
import { deferred } from "../deferred.ts";
import type { OperonError } from "../error.ts";
import { PEER_SILENCE_MAX_MS, PING_INTERVAL_MS } from "../limits.ts";

/** What a heartbeat needs. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Whether silence is looked into; on a local socket the kernel tells when the other end is gone. */
  readonly isWatching: boolean;
  readonly ping: (token: bigint) => void;
  /** The peer has said nothing for too long. */
  readonly silent: () => void;
}

/** Token of pings that only ask for a sign of life. */
const NO_TOKEN = 0n;

interface Ping {
  readonly token: bigint;
  readonly roundTripMs: Promise<number>;
  readonly answered: () => void;
  readonly failed: (error: OperonError) => void;
}

/** Listens for signs of life. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #lastHeardMs: number;
  #timer: Disposable | undefined;
  #ping: Ping | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lastHeardMs = options.clock.monotonicMs();
    if (options.isWatching) this.#watch();
  }

  /** The peer has said something. */
  heard(): void {
    this.#lastHeardMs = this.#options.clock.monotonicMs();
  }

  /** Round trip of a ping (ms); those who ask meanwhile share it. Rejects when the session ends first. */
  ping(): Promise<number> {
    this.#ping ??= this.#newPing();
    return this.#ping.roundTripMs;
  }

  /** The peer's answer to a ping; one nobody waits for is ignored. */
  answered(token: bigint): void {
    if (token === this.#ping?.token) this.#ping.answered();
  }

  /** The session is over. */
  end(failure: OperonError): void {
    this.#timer?.[Symbol.dispose]();
    this.#ping?.failed(failure);
  }

  #newPing(): Ping {
    const { clock, ping } = this.#options;
    const startMs = clock.monotonicMs();
    const { promise, resolve, reject } = deferred<number>();
    const roundTripMs = promise.finally(() => {
      this.#ping = undefined;
    });
    roundTripMs.catch(() => {});
    const token = crypto.getRandomValues(new BigUint64Array(1))[0] || NO_TOKEN + 1n;
    ping(token);
    const answered = () => resolve(clock.monotonicMs() - startMs);
    return { token, roundTripMs, answered, failed: reject };
  }

  #watch(): void {
    const { clock, ping, silent } = this.#options;
    this.#timer = clock.after(PING_INTERVAL_MS, () => {
      const silenceMs = clock.monotonicMs() - this.#lastHeardMs;
      if (silenceMs >= PEER_SILENCE_MAX_MS) return silent();
      if (silenceMs >= PING_INTERVAL_MS) ping(NO_TOKEN);
      this.#watch();
    });
  }
}
