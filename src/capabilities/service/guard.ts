// Watches over one connection: cuts it when nothing moves for too long, and when its service leaves the configuration.
// It must never keep a connection to what is not configured any more.
// Next: joined.ts and datagrams.ts put one over each connection.

import type { Clock } from "../../clock.ts";
import { REAUTHORIZE_MS } from "../../limits.ts";
import type { Directory } from "./directory.ts";
import type { ServiceSettings } from "./settings.ts";

/** Why a connection was cut. */
export type CutReason = "idle" | "withdrawn";

/** What is watched, and how to cut it. */
export interface GuardOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  /** Default: never. */
  readonly idleTimeoutSecs: number | undefined;
  /** Called at most once. */
  readonly cut: (reason: CutReason) => void;
}

/** A watch; dispose of it at the connection's end. */
export class Guard implements Disposable {
  readonly #service: ServiceSettings;
  readonly #options: GuardOptions;
  #timer: Disposable | undefined;
  #movedMs: number;

  constructor(service: ServiceSettings, options: GuardOptions) {
    this.#service = service;
    this.#options = options;
    this.#movedMs = options.clock.monotonicMs();
    this.#wait();
  }

  /** Something moved. */
  touch(): void {
    this.#movedMs = this.#options.clock.monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #wait(): void {
    this.#timer = this.#options.clock.after(REAUTHORIZE_MS, () => this.#look());
  }

  #look(): void {
    const { directory, clock, idleTimeoutSecs, cut } = this.#options;
    if (!directory.isCurrent(this.#service)) return cut("withdrawn");
    const stillMs = clock.monotonicMs() - this.#movedMs;
    if (idleTimeoutSecs !== undefined && stillMs >= idleTimeoutSecs * 1000) return cut("idle");
    this.#wait();
  }
}
