// What commands that stay have in common: saying that they are ready, remarks on single connections, waiting to be stopped.
// It must never flood the terminal: a remark that comes again soon is counted, not repeated.
// Next: forward.ts and publish.ts stay.

import type { OperationDescription } from "../../contract/description.ts";
import type { OperonError } from "../../error.ts";
import type { Running } from "./context.ts";
import { escapeText, jsonLine } from "./escape.ts";
import { asOperonError } from "./failure.ts";
import type { CallPlan } from "./input.ts";

/** How long a remark keeps the same one from being repeated (ms). */
const NOTE_INTERVAL_MS = 5_000;

/** What is announced. */
export interface Announcement {
  /** The local address. */
  readonly listening: string;
  readonly plan: CallPlan;
  readonly operation: OperationDescription;
}

/** One line on standard output, when connections can come. */
export async function announce(
  { listening, plan, operation }: Announcement,
  { context, globals }: Running,
): Promise<void> {
  const { stdout } = context.stdio;
  const { node, input } = plan;
  if (globals.json) {
    const document = { event: "ready", listening, node, operation: operation.id, input };
    return stdout.write(jsonLine(document));
  }
  const what = Object.values(input).filter((value) => typeof value === "string");
  const line = `Forwarding ${listening} to ${[...what, "on", node].join(" ")}; Ctrl-C ends it`;
  await stdout.write(`${escapeText(line)}\n`);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Remarks on standard error about connections that failed. */
export class Notes {
  readonly #running: Running;
  #last = "";
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(running: Running) {
    this.#running = running;
  }

  /** A connection failed, for a reason of the node's or on the way to it. */
  failed(error: unknown): void {
    const known: OperonError = asOperonError(error);
    if (this.#running.context.signal.aborted) return;
    const hint = known.hint === undefined ? "" : `; ${known.hint}`;
    this.add(`${known.message} (${known.code})${hint}`);
  }

  add(text: string): void {
    const { context, globals } = this.#running;
    const nowMs = context.clock.monotonicMs();
    if (globals.quiet || (text === this.#last && nowMs - this.#lastMs < NOTE_INTERVAL_MS)) return;
    this.#last = text;
    this.#lastMs = nowMs;
    void context.stdio.stderr.write(`note: ${escapeText(text)}\n`).catch(() => {});
  }
}
