// A node's way to the process that holds a terminal: a private socket, output as the caller takes it.
// It must never hold more output than the window it granted.
// Next: protocol.ts has the frames; handler.ts relays them to callers.

import { closeSync, constants, openSync } from "node:fs";
import { systemClock } from "../../../clock.ts";
import type { LocalChannel } from "../../../wire/local.ts";
import { dialLocal } from "../../../wire/local_dial.ts";
import { Pace } from "./pace.ts";
import {
  type Attached,
  type AttachRequest,
  FRAME,
  FRAME_BYTES_MAX,
  jsonOf,
  type SessionEnd,
  sendCredit,
  sendFrame,
  WINDOW_BYTES,
} from "./protocol.ts";
import type { TerminalSize } from "./pty.ts";
import { FILES } from "./session_record.ts";

/** How long a process may take to hear what it is told (ms). */
const HEARD_MS = 5_000;
/** Taken output that is worth telling the host (bytes); what it may send meanwhile is three times as much. */
const CREDIT_BYTES = WINDOW_BYTES / 4;

/** What comes from a terminal. */
export type HostEvent =
  | { readonly kind: "attached" | "skipped"; readonly at: Attached }
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "ended"; readonly end: SessionEnd };

/** Has a session end that nobody need look at; resolves when its process knows, or is gone. */
export async function hangUp(folder: string): Promise<void> {
  using host = await HostConnection.open(folder);
  host?.hangup();
  await host?.heard();
}

/** A connection to a session's process; close it with `using`. */
export class HostConnection implements Disposable {
  readonly #channel: LocalChannel;
  readonly #events: HostEvent[] = [];
  #isClosed = false;
  #wake: () => void = () => {};
  #drained: () => void = () => {};

  /** `undefined` when there is no such process any more. */
  static async open(folder: string): Promise<HostConnection | undefined> {
    let fd: number;
    try {
      fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch {
      return undefined;
    }
    try {
      const path = `/proc/self/fd/${fd}/${FILES.socket}`;
      return await dialLocal(path, (channel) => new HostConnection(channel));
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  private constructor(channel: LocalChannel) {
    this.#channel = channel;
    channel.events = {
      record: (record) => {
        this.#take(record[0], record.subarray(1));
        this.#wake();
      },
      drain: () => this.#drained(),
      closed: () => {
        this.#isClosed = true;
        this.#drained();
        this.#wake();
      },
    };
  }

  attach(request: AttachRequest): void {
    sendFrame(this.#channel, FRAME.attach, request);
    sendCredit(this.#channel, WINDOW_BYTES);
  }

  resize(size: TerminalSize): void {
    sendFrame(this.#channel, FRAME.resize, size);
  }

  /** Ends the command with everything it started. */
  hangup(): void {
    sendFrame(this.#channel, FRAME.hangup);
  }

  /**
   * For one who does not look: resolves when the process has heard what was said before, or is gone. Who leaves at once
   * may not be heard: on a busy machine words that came together with the end of their connection have been lost.
   */
  async heard(): Promise<void> {
    this.attach({ from: Number.MAX_SAFE_INTEGER, read_only: true, holds: false });
    for await (const _answer of this.events(AbortSignal.timeout(HEARD_MS))) return;
  }

  /** Resolves when the process has taken it, or is gone. */
  async input(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength && !this.#isClosed; at += FRAME_BYTES_MAX) {
      sendFrame(this.#channel, FRAME.input, bytes.subarray(at, at + FRAME_BYTES_MAX));
      if (this.#channel.bufferedBytes === 0) continue;
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
  }

  /** What comes, until the process is gone or the signal aborts; what is taken makes room for more. Iterate once. */
  async *events(signal: AbortSignal): AsyncGenerator<HostEvent, undefined> {
    const abort = () => this.#wake();
    signal.addEventListener("abort", abort, { once: true });
    const pace = new Pace(systemClock);
    let takenBytes = 0;
    try {
      while (!signal.aborted) {
        const event = this.#next();
        if (event) {
          yield event;
          if (event.kind === "output") takenBytes += event.bytes.byteLength;
          // A word for every few lines of a flood would cost more than the flood.
          if (takenBytes < CREDIT_BYTES) continue;
          await pace.take(takenBytes, signal).catch(() => {});
          sendCredit(this.#channel, takenBytes);
          takenBytes = 0;
          continue;
        }
        if (this.#isClosed) return undefined;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#channel.close("");
  }

  /** What came first; output that came after it in one piece with it. */
  #next(): HostEvent | undefined {
    const first = this.#events.shift();
    if (first?.kind !== "output") return first;
    const parts = [first.bytes];
    let size = first.bytes.byteLength;
    for (;;) {
      const next = this.#events[0];
      if (next?.kind !== "output" || size + next.bytes.byteLength > FRAME_BYTES_MAX) break;
      parts.push(next.bytes);
      size += next.bytes.byteLength;
      this.#events.shift();
    }
    return parts.length === 1 ? first : { kind: "output", bytes: Buffer.concat(parts, size) };
  }

  #take(kind: number | undefined, payload: Uint8Array): void {
    if (kind === FRAME.output) this.#events.push({ kind: "output", bytes: payload });
    else if (kind === FRAME.ended)
      this.#events.push({ kind: "ended", end: jsonOf(payload) as SessionEnd });
    else if (kind === FRAME.attached || kind === FRAME.skipped) {
      const at = jsonOf(payload) as Attached;
      this.#events.push({ kind: kind === FRAME.attached ? "attached" : "skipped", at });
    }
  }
}
