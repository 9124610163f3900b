// A local port whose connections are calls: listens until it is told to stop, whatever becomes of single connections.
// It must never listen before the address was found harmless or exposed on purpose, nor end because a node went away.
// Next: carried.ts joins a connection with its call; forward_datagrams.ts does the same for UDP.

import type { Caller } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import type { ForwardShape } from "../../contract/operation.ts";
import { listenTcp, type TcpStream } from "../../wire/tcp_stream.ts";
import { type Carried, carry } from "./carried.ts";
import type { Running } from "./context.ts";
import { asOperonError } from "./failure.ts";
import { forwardDatagrams, type StartCall } from "./forward_datagrams.ts";
import type { CallPlan } from "./input.ts";
import { listedValues } from "./listed_values.ts";
import { addressText, listenAddress } from "./local_address.ts";
import { aborted, announce, Notes } from "./staying.ts";

/** What is forwarded. */
export interface ForwardParts {
  readonly operation: OperationDescription;
  readonly plan: CallPlan;
  readonly forward: ForwardShape;
}

/** Connections at once: a session to a node has room for 256 calls. */
const CONNECTIONS_MAX = 240;
/** How many of a node's values are looked at for the one that is meant. */
const VALUES_MAX = 10_000;
/** How many of them a note names. */
const SHOWN_MAX = 10;
/** How long a node has to list them (ms). */
const LISTING_MS = 5_000;

/** Listens until a signal, then resolves to the exit code. @throws OperonError `cli.exposed`, `cli.value_invalid`, `wire.listen_failed` */
export async function runForward(parts: ForwardParts, running: Running): Promise<number> {
  const { operation, plan, forward } = parts;
  const { context, globals } = running;
  const address = listenAddress(plan.listen ?? "127.0.0.1:0", plan.isExposed);
  await using caller = await context.connect({ ...globals, lasts: true });
  const start: StartCall = (outgoing, signal) =>
    caller.call(plan.node, operation.id, plan.input, { outgoing, ...(signal ? { signal } : {}) });
  // Beside serving: what a node lists now may be hidden from this caller, or come later.
  const listens = () => void noteUnlisted(caller, parts, running);
  if (forward.transport === "udp")
    return await forwardDatagrams({ operation, plan, start, address, listens }, running);
  await using connections = new Connections(start, running);
  using listener = listenTcp(address, (stream) => connections.accept(stream));
  const listening = addressText({ ...address, port: listener.port });
  await announce({ listening, plan, operation }, running);
  listens();
  await aborted(context.signal);
  return 0;
}

/** Says so when the node is away, or lists other values for an argument than the one that was given: a misspelt service, say. */
async function noteUnlisted(
  caller: Caller,
  { operation, plan }: ForwardParts,
  running: Running,
): Promise<void> {
  const signal = AbortSignal.any([running.context.signal, AbortSignal.timeout(LISTING_MS)]);
  for (const { field, completes_from: source } of operation.cli.args ?? []) {
    const given = plan.input[field];
    if (!source || typeof given !== "string") continue;
    const question = { source, node: plan.node, limit: VALUES_MAX, signal };
    const notes = new Notes(running);
    const listed = await listedValues(caller, question).catch((error) => {
      // One that may not list can still be let through; all else will be in the way of connections, too.
      if (asOperonError(error).kind !== "permission_denied") notes.failed(error);
      return undefined;
    });
    if (!listed || listed.includes(given)) continue;
    notes.add(`${plan.node} lists no "${given}" for you now; it lists: ${listedText(listed)}`);
  }
}

function listedText(listed: readonly string[]): string {
  if (listed.length === 0) return "none";
  const shown = listed.slice(0, SHOWN_MAX).join(", ");
  return listed.length > SHOWN_MAX ? `${shown} and ${listed.length - SHOWN_MAX} more` : shown;
}

class Connections implements AsyncDisposable {
  readonly #start: StartCall;
  readonly #notes: Notes;
  readonly #open = new Map<TcpStream, Promise<void>>();
  readonly #carried: Carried = { toNode: 0, fromNode: 0 };

  constructor(start: StartCall, running: Running) {
    this.#start = start;
    this.#notes = new Notes(running);
  }

  accept(stream: TcpStream): void {
    if (this.#open.size >= CONNECTIONS_MAX) {
      stream.reset();
      return this.#notes.add(`more than ${CONNECTIONS_MAX} connections at once: one was refused`);
    }
    const carrying = carry(stream, this.#start, this.#carried)
      .catch((error) => this.#notes.failed(error))
      .finally(() => this.#open.delete(stream));
    this.#open.set(stream, carrying);
  }

  /** Cuts off what is still open. */
  async [Symbol.asyncDispose](): Promise<void> {
    const carrying = [...this.#open.values()];
    for (const stream of this.#open.keys()) stream.reset();
    await Promise.race([Promise.all(carrying), new Promise((resolve) => setImmediate(resolve))]);
  }
}
