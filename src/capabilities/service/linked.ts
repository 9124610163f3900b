// One end of a published connection: passes on what the other end sends, and waits until that has had all of its own.
// It must never buffer: each end's window holds back the other's sender.
// Next: offer.ts makes links; publish.ts and handler.ts serve their ends.

import type { Cancellation } from "../../wire/cancellation.ts";
import type { Link } from "./offer.ts";

/** What this end needs. */
export interface LinkedOptions {
  readonly side: "connector" | "acceptor";
  /** Half-closes towards this end's caller. */
  readonly endSending: () => void;
  /** Called for every chunk that comes. */
  readonly moved?: () => void;
  /** What to throw when the link was cut. */
  readonly broken: () => unknown;
}

/** Yields what the other end sends; ends when both directions have. */
export async function* linked(
  link: Link,
  { side, endSending, moved, broken }: LinkedOptions,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  const isConnector = side === "connector";
  const other = isConnector ? link.acceptor : link.connector;
  const [served, otherServed] = isConnector
    ? [link.connectorServed, link.acceptorServed]
    : [link.acceptorServed, link.connectorServed];
  let isDone = false;
  try {
    for await (const chunk of untilCut(other.incoming, link.cut)) {
      moved?.();
      link.bytes[isConnector ? "toConnector" : "toAcceptor"] += chunk.byteLength;
      yield chunk;
    }
    // A call that was ended from outside looks like an end of its stream.
    if (link.cut.isCancelled || other.signal.aborted) throw broken();
    endSending();
    served.resolve();
    isDone = await orCut(
      otherServed.promise.then(() => true),
      link.cut,
    ).then((isServed) => isServed === true);
    if (!isDone) throw broken();
    return undefined;
  } finally {
    if (!isDone) link.cut.cancel(undefined);
  }
}

/** The same items, until it is cut. */
export async function* untilCut<Item>(
  source: AsyncIterable<Item>,
  cut: Cancellation,
): AsyncGenerator<Item, undefined, undefined> {
  const items = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orCut(items.next(), cut);
      if (!next || next.done) return undefined;
      yield next.value;
    }
  } finally {
    // Not awaited: it may be waiting for something that never comes.
    void items.return?.().catch(() => {});
  }
}

function orCut<Value>(work: Promise<Value>, cut: Cancellation): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const goOn = cut.onCancel(() => resolve(undefined));
    work.then(
      (value) => {
        goOn();
        resolve(value);
      },
      (error) => {
        goOn();
        reject(error);
      },
    );
  });
}
