// A local UDP port whose datagrams are calls: one call for each address that sends, so that replies find their way back.
// It must never join or split datagrams, give one peer another's reply, nor keep more peers than its bound.
// Next: forward.ts chooses; wire/datagram_queue.ts holds what waits for the node.

import type { Chunk, OngoingCall } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { OperonError } from "../../error.ts";
import { DatagramQueue } from "../../wire/datagram_queue.ts";
import type { Running } from "./context.ts";
import type { CallPlan } from "./input.ts";
import { addressText } from "./local_address.ts";
import { aborted, announce, Notes } from "./staying.ts";

/** Local addresses at once. */
const PEERS_MAX = 224;
/** A peer that neither sends nor gets anything for this long is forgotten (ms). */
const IDLE_MS = 60_000;

/** Makes a call of the forwarded operation, given what goes to the node. */
export type StartCall = (outgoing: AsyncIterable<unknown>, signal?: AbortSignal) => OngoingCall;

/** What is forwarded, and where it comes from. */
export interface DatagramParts {
  readonly operation: OperationDescription;
  readonly plan: CallPlan;
  readonly start: StartCall;
  readonly address: { readonly host: string; readonly port: number };
  /** Called when datagrams can come. */
  readonly listens: () => void;
}

/** Receives until a signal, then resolves to the exit code. @throws OperonError `wire.listen_failed` */
export async function forwardDatagrams(parts: DatagramParts, running: Running): Promise<number> {
  const { plan, operation, start, address, listens } = parts;
  const { signal } = running.context;
  const peers = new Peers(start, running);
  const socket = await openSocket(address, peers);
  try {
    peers.reply = (data, port, host) => void socket.send(data, port, host);
    const listening = addressText({ host: address.host, port: socket.port });
    await announce({ listening, plan, operation }, running);
    listens();
    await aborted(signal);
    return 0;
  } finally {
    peers[Symbol.dispose]();
    socket.close();
  }
}

async function openSocket({ host, port }: DatagramParts["address"], peers: Peers) {
  try {
    return await Bun.udpSocket({
      hostname: host,
      port,
      socket: {
        data: (_socket, data, port, host) => peers.received(data, port, host),
        error: () => {},
      },
    });
  } catch (cause) {
    throw new OperonError({
      code: "wire.listen_failed",
      kind: "failed_precondition",
      message: `Cannot receive on ${addressText({ host, port })}: ${(cause as Error).message}`,
      hint: "Another program may use the port; choose another one, or 0 for any that is free",
      cause,
    });
  }
}

interface Peer {
  readonly queue: DatagramQueue;
  readonly ending: AbortController;
  movedMs: number;
}

class Peers implements Disposable {
  /** Sends to a local address; set once the socket is there. */
  reply: (data: Uint8Array, port: number, host: string) => void = () => {};
  readonly #start: StartCall;
  readonly #running: Running;
  readonly #notes: Notes;
  readonly #peers = new Map<string, Peer>();
  #sweep: Disposable | undefined;

  constructor(start: StartCall, running: Running) {
    this.#start = start;
    this.#running = running;
    this.#notes = new Notes(running);
  }

  received(data: Uint8Array, port: number, host: string): void {
    const key = `${host} ${port}`;
    const peer = this.#peers.get(key) ?? this.#open(key, port, host);
    if (!peer) return;
    peer.movedMs = this.#nowMs;
    peer.queue.push(data);
  }

  [Symbol.dispose](): void {
    this.#sweep?.[Symbol.dispose]();
    for (const peer of this.#peers.values()) peer.ending.abort();
  }

  get #nowMs(): number {
    return this.#running.context.clock.monotonicMs();
  }

  #open(key: string, port: number, host: string): Peer | undefined {
    if (this.#peers.size >= PEERS_MAX) {
      this.#notes.add(`more than ${PEERS_MAX} local addresses at once: datagrams were dropped`);
      return undefined;
    }
    const peer: Peer = {
      queue: new DatagramQueue(),
      ending: new AbortController(),
      movedMs: this.#nowMs,
    };
    this.#peers.set(key, peer);
    this.#watch();
    this.#carry(peer, { port, host })
      .catch((error) => {
        if (!peer.ending.signal.aborted) this.#notes.failed(error);
      })
      .finally(() => {
        peer.queue.end();
        this.#peers.delete(key);
      });
    return peer;
  }

  async #carry(peer: Peer, { port, host }: { port: number; host: string }): Promise<void> {
    const call = this.#start(valuesOf(peer.queue), peer.ending.signal);
    for await (const chunk of call.chunks) {
      const data = datagramOf(chunk);
      if (!data) continue;
      peer.movedMs = this.#nowMs;
      this.reply(data, port, host);
    }
    await call.output;
  }

  #watch(): void {
    this.#sweep ??= this.#running.context.clock.after(IDLE_MS / 4, () => {
      this.#sweep = undefined;
      for (const peer of this.#peers.values())
        if (this.#nowMs - peer.movedMs >= IDLE_MS) peer.ending.abort();
      if (this.#peers.size > 0) this.#watch();
    });
  }
}

async function* valuesOf(queue: DatagramQueue): AsyncGenerator<{ data: Uint8Array }, undefined> {
  for await (const data of queue) yield { data };
  return undefined;
}

function datagramOf(chunk: Chunk): Uint8Array | undefined {
  if (chunk.kind !== "value") return undefined;
  const { data } = chunk.value as { readonly data?: unknown };
  return data instanceof Uint8Array ? data : undefined;
}
