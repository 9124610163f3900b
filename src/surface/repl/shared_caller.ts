// One connection for the lines of a shell, opened when it is needed and given up when it is not.
// It must never outlive its use by much: a daemon that was started meanwhile is found by the next line.
// Next: shell.ts hands it to commands; the entry says how to connect.

import type { Clock } from "../../clock.ts";
import type { Caller, CallOptions, OngoingCall } from "../../contract/caller.ts";
import { OperonError } from "../../error.ts";

/** How long an unused connection is kept (ms). */
const IDLE_MS = 5_000;

interface Connection {
  readonly caller: Promise<Caller>;
  users: number;
  isStale: boolean;
  closing: Disposable | undefined;
}

/** Hands out callers that share a connection; dispose of it at the end. */
export class SharedCaller implements AsyncDisposable {
  readonly #open: () => Promise<Caller>;
  readonly #clock: Clock;
  #current: Connection | undefined;

  constructor(open: () => Promise<Caller>, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** Whoever gets it disposes of it; that ends no call of others. @throws what opening throws */
  async connect(): Promise<Caller> {
    if (this.#current?.isStale) this.#leave(this.#current);
    this.#current ??= { caller: this.#open(), users: 0, isStale: false, closing: undefined };
    const connection = this.#current;
    connection.users++;
    connection.closing?.[Symbol.dispose]();
    try {
      return lease(await connection.caller, {
        failed: (error) => {
          connection.isStale ||= isLost(error);
        },
        release: () => this.#release(connection),
      });
    } catch (error) {
      connection.users--;
      if (this.#current === connection) this.#current = undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#current) await this.#give(this.#current);
  }

  #release(connection: Connection): void {
    if (--connection.users > 0) return;
    connection.closing = this.#clock.after(IDLE_MS, () => void this.#give(connection));
  }

  /** For the next ones; who uses it now goes on. */
  #leave(connection: Connection): void {
    if (connection.users === 0) void this.#give(connection);
    else this.#current = undefined;
  }

  async #give(connection: Connection): Promise<void> {
    connection.closing?.[Symbol.dispose]();
    if (this.#current === connection) this.#current = undefined;
    const caller = await connection.caller.catch(() => undefined);
    try {
      await caller?.[Symbol.asyncDispose]();
    } catch {
      // It is given up either way.
    }
  }
}

interface Lease {
  readonly failed: (error: unknown) => void;
  readonly release: () => void;
}

function lease(caller: Caller, { failed, release }: Lease): Caller {
  let isReleased = false;
  return {
    call(node: string, operation: string, input: unknown, options?: CallOptions): OngoingCall {
      const call = caller.call(node, operation, input, options);
      // The receipt comes at the end and never fails; asking for the output would discard unread chunks.
      void call.receipt.then((receipt) => {
        if (!receipt) call.output.catch(failed);
      });
      return call;
    },
    async [Symbol.asyncDispose]() {
      if (!isReleased) release();
      isReleased = true;
    },
  };
}

function isLost(error: unknown): boolean {
  return error instanceof OperonError && error.kind === "unavailable";
}
