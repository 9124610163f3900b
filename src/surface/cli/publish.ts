// A port of this machine offered through a node: one call announces connections, each of which is carried by a call of its own.
// It must never connect anywhere but where --to says, whatever the node announces, nor to more at once than its bound.
// Next: carried.ts joins a connection with its call; forward.ts is the other way round.

import type { Caller, Chunk } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import type { PublishShape } from "../../contract/operation.ts";
import { OperonError } from "../../error.ts";
import { dialTcp, type TcpStream } from "../../wire/tcp_stream.ts";
import { type Carried, carry } from "./carried.ts";
import type { Running } from "./context.ts";
import { escapeText, jsonLine } from "./escape.ts";
import type { CallPlan } from "./input.ts";
import { addressText, localTarget } from "./local_address.ts";
import { Notes } from "./staying.ts";

/** What is published. */
export interface PublishParts {
  readonly operation: OperationDescription;
  readonly plan: CallPlan;
  readonly publish: PublishShape;
}

const CONNECTIONS_MAX = 240;
const DIAL_TIMEOUT_MS = 10_000;
/** First and longest pause before it is published again after the node went away (ms). */
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 10_000;

/** Publishes until a signal, again whenever the node comes back; resolves to the exit code. @throws OperonError of the node's refusal */
export async function runPublish(parts: PublishParts, running: Running): Promise<number> {
  const { plan } = parts;
  const { context, globals } = running;
  const { signal, clock } = context;
  const target = localTarget(plan.localTarget ?? "");
  await using caller = await context.connect({ ...globals, lasts: true });
  const publishing = new Publishing(parts, { caller, target, running });
  let pauseMs = PAUSE_MS_MIN;
  let wasPublished = false;
  for (;;) {
    try {
      await publishing.run();
    } catch (error) {
      if (signal.aborted) return 0;
      wasPublished ||= publishing.isPublished;
      // What never worked is a mistake; what worked and is away may come back.
      if (!wasPublished || !isAway(error)) throw error;
      publishing.notes.failed(error);
    }
    if (publishing.isPublished) pauseMs = PAUSE_MS_MIN;
    await clock.sleep(pauseMs, signal).catch(() => {});
    if (signal.aborted) return 0;
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
  }
}

interface PublishingOptions {
  readonly caller: Caller;
  readonly target: { readonly host: string; readonly port: number };
  readonly running: Running;
}

class Publishing {
  readonly notes: Notes;
  /** Whether the node took the last offer. */
  isPublished = false;
  readonly #parts: PublishParts;
  readonly #options: PublishingOptions;
  readonly #carried: Carried = { toNode: 0, fromNode: 0 };
  #open = 0;

  constructor(parts: PublishParts, options: PublishingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.notes = new Notes(options.running);
  }

  async run(): Promise<void> {
    const { operation, plan } = this.#parts;
    const { caller, running } = this.#options;
    this.isPublished = false;
    const call = caller.call(plan.node, operation.id, plan.input, {
      signal: running.context.signal,
    });
    for await (const chunk of call.chunks) {
      const { event, connection } = eventOf(chunk);
      if (event === "published") await this.#announce();
      if (event === "connection" && connection !== undefined) void this.#accept(connection);
    }
    await call.output;
  }

  async #announce(): Promise<void> {
    this.isPublished = true;
    const { plan, operation } = this.#parts;
    const { target, running } = this.#options;
    const { context, globals } = running;
    const { stdout } = context.stdio;
    const to = addressText(target);
    if (globals.json) {
      const { node, input } = plan;
      const document = { event: "published", to, node, operation: operation.id, input };
      return await stdout.write(jsonLine(document));
    }
    const what = Object.values(plan.input).filter((value) => typeof value === "string");
    const line = `Offering ${to} as ${[...what, "on", plan.node].join(" ")}; Ctrl-C ends it`;
    await stdout.write(`${escapeText(line)}\n`);
  }

  /** Never rejects: one connection is not the others' business. */
  async #accept(connection: string): Promise<void> {
    const { plan, publish } = this.#parts;
    const { caller, running } = this.#options;
    const { signal } = running.context;
    const accept = (more: object, outgoing?: AsyncIterable<Uint8Array>) =>
      caller.call(
        plan.node,
        publish.accepts,
        { ...plan.input, connection, ...more },
        { signal, ...(outgoing ? { outgoing } : {}) },
      );
    try {
      this.#open++;
      const stream = await this.#dial();
      if (stream) await carry(stream, (outgoing) => accept({}, outgoing), this.#carried);
      else await accept({ refused: true }).output;
    } catch (error) {
      this.notes.failed(error);
    } finally {
      this.#open--;
    }
  }

  async #dial(): Promise<TcpStream | undefined> {
    const { target, running } = this.#options;
    const { clock, signal } = running.context;
    if (this.#open > CONNECTIONS_MAX) {
      this.notes.add(`more than ${CONNECTIONS_MAX} connections at once: one was refused`);
      return undefined;
    }
    try {
      return await dialTcp({ ...target, clock, signal, timeoutMs: DIAL_TIMEOUT_MS });
    } catch (error) {
      this.notes.failed(error);
      return undefined;
    }
  }
}

function eventOf(chunk: Chunk): { event?: string; connection?: string } {
  return chunk.kind === "value" ? (chunk.value as { event?: string; connection?: string }) : {};
}

function isAway(error: unknown): boolean {
  return error instanceof OperonError && error.kind === "unavailable";
}
