// A published service: who offers it, which connections wait for the publisher to take them up, and the two calls that then meet.
// It must never hand a connection to anyone but the publisher it was announced to, nor twice, nor keep more than its bound waiting.
// Next: publish.ts has the handlers on both ends.

import { systemClock } from "../../clock.ts";
import type { OperonError } from "../../error.ts";
import { Cancellation } from "../../wire/cancellation.ts";

/** Connections announced and not taken up yet. */
const WAITING_MAX = 256;
const TOKEN_BYTES = 16;

/** One end of a published connection: a call, and what ends it from outside. */
export interface End {
  readonly incoming: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** A connection that its publisher took up: both ends, ended together. */
export interface Link {
  readonly acceptor: End;
  readonly connector: End;
  /** Cancelled when either end is gone; the reason says why. */
  readonly cut: Cancellation;
  /** How much went to each end (bytes). */
  readonly bytes: { toConnector: number; toAcceptor: number };
  /** Resolve when the end has had all the other one sent. */
  readonly connectorServed: PromiseWithResolvers<void>;
  readonly acceptorServed: PromiseWithResolvers<void>;
}

/** Why a connection was not taken up; `over`: the offer is, or the connector did not wait. */
export type NoLink = "refused" | "late" | "busy" | "over";

/** A connection that waits. */
export interface WaitingConnection {
  readonly service: string;
  readonly publisher: string;
  /** The publisher takes it up. */
  take(acceptor: End): Link;
  /** The publisher has nothing that takes it. */
  refuse(): void;
}

/** What one publisher offers. */
export class Offer {
  readonly service: string;
  /** Key id. */
  readonly publisher: string;
  /** Cancelled when the offer is over, with an error that says why. */
  readonly over = new Cancellation();
  /** Connections announced so far. */
  announced = 0;
  readonly #waiting: Map<string, WaitingConnection>;
  readonly #tokens: string[] = [];
  #open = 0;
  #wake: (() => void) | undefined;

  /** @param waiting all connections of the node that wait, by token */
  constructor(
    { service, publisher }: { readonly service: string; readonly publisher: string },
    waiting: Map<string, WaitingConnection>,
  ) {
    this.service = service;
    this.publisher = publisher;
    this.#waiting = waiting;
  }

  /** Announces a connection; resolves to the link once it is taken up, else to why it was not. */
  async connect(connector: End, timeoutSecs: number): Promise<Link | NoLink> {
    const { signal } = connector;
    if (this.over.isCancelled || signal.aborted) return "over";
    if (this.#open >= WAITING_MAX) return "busy";
    const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
    const { promise, resolve } = Promise.withResolvers<Link | NoLink>();
    this.#waiting.set(token, {
      service: this.service,
      publisher: this.publisher,
      take: (acceptor) => {
        this.#waiting.delete(token);
        const link = newLink(connector, acceptor);
        resolve(link);
        return link;
      },
      refuse: () => resolve("refused"),
    });
    using _timer = systemClock.after(timeoutSecs * 1000, () => resolve("late"));
    const giveUp = () => resolve("over");
    signal.addEventListener("abort", giveUp, { once: true });
    const goOn = this.over.onCancel(giveUp);
    this.#open++;
    this.#announce(token);
    try {
      return await promise;
    } finally {
      this.#open--;
      this.#waiting.delete(token);
      const at = this.#tokens.indexOf(token);
      if (at >= 0) this.#tokens.splice(at, 1);
      signal.removeEventListener("abort", giveUp);
      goOn();
    }
  }

  /** The tokens of connections as they come, until the offer is over. @throws its reason */
  async *arrivals(): AsyncGenerator<string, undefined> {
    const wake = () => this.#signal();
    const forget = this.over.onCancel(wake);
    try {
      for (;;) {
        if (this.over.isCancelled) throw this.over.reason as OperonError;
        const token = this.#tokens.shift();
        if (token !== undefined) yield token;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      forget();
    }
  }

  #announce(token: string): void {
    this.announced++;
    this.#tokens.push(token);
    this.#signal();
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function newLink(connector: End, acceptor: End): Link {
  const cut = new Cancellation();
  for (const { signal } of [connector, acceptor]) {
    const abort = () => cut.cancel(undefined);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  }
  const connectorServed = Promise.withResolvers<void>();
  const acceptorServed = Promise.withResolvers<void>();
  const bytes = { toConnector: 0, toAcceptor: 0 };
  return { connector, acceptor, cut, bytes, connectorServed, acceptorServed };
}
