// Plays a recording as it happened: the output with its pauses, or the file as it is.
// It must never hold a recording whole: it is read as the caller takes it.
// Next: recording.ts writes them.

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../../../clock.ts";
import { FILES } from "./session_record.ts";

/** How a recording is played. */
export interface PlayOptions {
  readonly speed: number;
  readonly idleMaxMs: number;
  readonly isRaw: boolean;
  readonly signal: AbortSignal;
}

/** What it shows, when it showed it. */
export async function* playRecording(
  folder: string,
  { speed, idleMaxMs, isRaw, signal }: PlayOptions,
): AsyncGenerator<Uint8Array, undefined> {
  const file = createReadStream(join(folder, FILES.recording));
  try {
    if (isRaw) {
      for await (const chunk of file) yield new Uint8Array(chunk as Buffer);
      return undefined;
    }
    let beforeSecs = 0;
    for await (const line of createInterface({
      input: file,
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      const event = eventOf(line);
      if (!event) continue;
      const pauseMs = Math.min((event.secs - beforeSecs) * 1000, idleMaxMs) / speed;
      beforeSecs = event.secs;
      if (pauseMs >= 1) await systemClock.sleep(pauseMs, signal);
      signal.throwIfAborted();
      yield new TextEncoder().encode(event.text);
    }
  } finally {
    file.destroy();
  }
  return undefined;
}

/** An output of a recording; a last line cut off by a crash is none. */
function eventOf(line: string): { readonly secs: number; readonly text: string } | undefined {
  try {
    const event: unknown = JSON.parse(line);
    if (!Array.isArray(event) || event[1] !== "o") return undefined;
    return { secs: Number(event[0]), text: String(event[2]) };
  } catch {
    return undefined;
  }
}
