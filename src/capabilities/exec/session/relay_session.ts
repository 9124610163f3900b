// A session as its caller sees it: output from a position on, keys, and how it ended, also when that was long ago.
// It must never lose a byte between the process that holds the terminal and the disk it leaves its output on.
// Next: connection.ts is the way to the process; handler.ts decides who may look.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OperonError } from "../../../error.ts";
import { HostConnection, hangUp } from "./connection.ts";
import type { SessionEnd } from "./protocol.ts";
import { endOf, FILES } from "./session_record.ts";

/** How somebody looks at a session. */
export interface LookOptions {
  readonly id: string;
  readonly folder: string;
  /** Position to go on at; `undefined` for all there is. */
  readonly from: number | undefined;
  readonly isReadOnly: boolean;
  readonly holds: boolean;
  /** Whose right to it is withdrawn while they look, takes it along. */
  readonly isOwner: boolean;
  /** It was opened for this caller, to whom nothing of it is old. */
  readonly isNew: boolean;
  readonly size: { readonly rows: number; readonly cols: number } | undefined;
  readonly incoming: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** What a caller gets: what the terminal showed, and where that stands (one line of JSON each). */
export interface SessionChunk {
  readonly channel: "output" | "control";
  readonly bytes: Uint8Array;
}

/** End of transmission: what a terminal sends at Ctrl-D. */
const END_OF_INPUT = new Uint8Array([4]);

/** Relays until the session ends; `undefined` when its process is gone without a word. Throws the signal's reason. */
export async function* relaySession(
  options: LookOptions,
): AsyncGenerator<SessionChunk, SessionEnd | undefined, undefined> {
  const { id, folder, signal, from } = options;
  let position = from;
  let isTold = false;
  using host = await HostConnection.open(folder);
  if (host) {
    host.attach({ from: from ?? -1, read_only: options.isReadOnly, holds: options.holds });
    if (options.size) host.resize(options.size);
    void feed(host, options);
    for await (const event of host.events(signal)) {
      if (event.kind === "ended") return event.end;
      if (event.kind === "output") {
        position = (position ?? 0) + event.bytes.byteLength;
        yield { channel: "output", bytes: event.bytes };
      } else {
        const { end, ...at } = event.at;
        position = at.from;
        isTold = true;
        yield control({ session: id, ...at, ...(options.isNew ? {} : { end }) });
      }
    }
    if (options.isOwner && isRevoked(signal.reason)) await hangUp(folder);
    signal.throwIfAborted();
  }
  return yield* relayRest(options, { position, isTold });
}

/** From the disk: the session has ended, and took its last output there. */
async function* relayRest(
  { id, folder, isNew }: LookOptions,
  { position, isTold }: { readonly position: number | undefined; readonly isTold: boolean },
): AsyncGenerator<SessionChunk, SessionEnd | undefined, undefined> {
  const end = endOf(folder);
  if (!end) return undefined;
  const { output_from, ...ending } = end;
  const wanted = Math.min(position ?? output_from, end.output_bytes);
  const start = Math.max(wanted, output_from);
  if (!isTold || start > wanted) {
    const dropped = start - wanted;
    const old = isNew ? {} : { end: ending.output_bytes };
    yield control({ session: id, from: start, dropped, ...old });
  }
  const kept = readFileSync(join(folder, FILES.output)).subarray(start - output_from);
  if (kept.byteLength > 0) yield { channel: "output", bytes: kept };
  return ending;
}

/** Keys, as fast as the terminal takes them. Where the caller's stream ends as a file does, so does the terminal's input. */
async function feed(host: HostConnection, { incoming, isReadOnly }: LookOptions): Promise<void> {
  let hasTyped = false;
  try {
    for await (const bytes of incoming) {
      if (isReadOnly) continue;
      hasTyped ||= bytes.byteLength > 0;
      await host.input(bytes);
    }
    if (hasTyped) await host.input(END_OF_INPUT);
  } catch {
    // The caller is gone; the session stays.
  }
}

/** As the node words it when policy would refuse a call that is under way. */
function isRevoked(reason: unknown): boolean {
  return reason instanceof OperonError && reason.code === "policy.revoked";
}

function control(value: object): SessionChunk {
  return { channel: "control", bytes: new TextEncoder().encode(`${JSON.stringify(value)}\n`) };
}
