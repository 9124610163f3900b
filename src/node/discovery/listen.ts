// Listens for a while to what nodes on the local network say of themselves, and asks them to.
// It must never take longer, nor keep more, than its bounds, however much is sent.
// Next: announcement.ts reads a message; discover.ts judges what was heard.

import type { Clock } from "../../clock.ts";
import { type Announcement, announcementsIn, SERVICE } from "./announcement.ts";
import { interfaceAddresses, openMulticast } from "./multicast.ts";

/** Nodes that are kept, of all and of one sender: what a flood can make us hold. */
const NODES_MAX = 256;
const NODES_PER_SENDER_MAX = 64;
/** Endpoints kept of one node: it may be heard on several interfaces. */
const ENDPOINTS_MAX = 4;
/** Messages read before nobody listens any more: what a flood can make us do. */
const MESSAGES_MAX = 10_000;
/** When the network is asked again: datagrams get lost (ms after the start). */
const QUERIES_MS = [0, 250, 1_000, 3_000];

/** A node that was heard. */
export interface HeardNode {
  readonly name: string;
  readonly key: Announcement["key"];
  /** Those of other machines before those of this one alone. */
  readonly endpoints: readonly string[];
}

/** Everything that was heard. */
export interface HeardAll {
  readonly nodes: readonly HeardNode[];
  /** Announcements that were not in form. */
  readonly malformed: number;
  /** Whether everything was kept and the whole time was listened. */
  readonly isComplete: boolean;
  /** Interfaces that were listened on. */
  readonly addresses: readonly string[];
}

/** How to listen. */
export interface ListenOptions {
  readonly clock: Clock;
  readonly durationMs: number;
  readonly signal: AbortSignal;
}

/** @throws the signal's reason */
export async function listenForNodes({
  clock,
  durationMs,
  signal,
}: ListenOptions): Promise<HeardAll> {
  const heard = new HeardSet();
  const flooded = new AbortController();
  using multicast = await openMulticast(interfaceAddresses({ loopback: true }), {
    response: (records, from) => {
      if (!heard.take(announcementsIn(records), from)) flooded.abort();
    },
  });
  const timers = QUERIES_MS.filter((ms) => ms < durationMs).map((ms) =>
    clock.after(ms, () => multicast.query(SERVICE)),
  );
  try {
    if (multicast.addresses.length > 0)
      await clock.sleep(durationMs, AbortSignal.any([signal, flooded.signal]));
  } catch {
    signal.throwIfAborted();
  } finally {
    for (const timer of timers) timer[Symbol.dispose]();
  }
  return heard.result(multicast.addresses);
}

/** What was heard so far, within bounds. */
export class HeardSet {
  readonly #nodes = new Map<string, { node: Announcement; endpoints: Set<string> }>();
  readonly #senders = new Map<string, number>();
  #messages = 0;
  #malformed = 0;
  #isComplete = true;

  /** Takes a message; `false` when there were too many. */
  take({ announcements, malformed }: ReturnType<typeof announcementsIn>, from: string): boolean {
    this.#malformed += malformed;
    for (const node of announcements) this.#add(node, from);
    if (++this.#messages < MESSAGES_MAX) return true;
    this.#isComplete = false;
    return false;
  }

  /** All of it, in the order of names. */
  result(addresses: readonly string[]): HeardAll {
    const nodes = [...this.#nodes.values()].map(({ node: { name, key }, endpoints }) => ({
      name,
      key,
      endpoints: [...endpoints].toSorted((a, b) => Number(isLoopback(a)) - Number(isLoopback(b))),
    }));
    return {
      nodes: nodes.toSorted((a, b) => order(`${a.name} ${a.key.id}`, `${b.name} ${b.key.id}`)),
      malformed: this.#malformed,
      isComplete: this.#isComplete,
      addresses,
    };
  }

  #add(node: Announcement, from: string): void {
    const id = `${node.name} ${node.key.id}`;
    const known = this.#nodes.get(id);
    if (known) {
      if (known.endpoints.size < ENDPOINTS_MAX) known.endpoints.add(node.endpoint);
      return;
    }
    const ofSender = this.#senders.get(from) ?? 0;
    if (this.#nodes.size >= NODES_MAX || ofSender >= NODES_PER_SENDER_MAX) {
      this.#isComplete = false;
      return;
    }
    this.#senders.set(from, ofSender + 1);
    this.#nodes.set(id, { node, endpoints: new Set([node.endpoint]) });
  }
}

function isLoopback(endpoint: string): boolean {
  const { hostname } = new URL(endpoint);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
