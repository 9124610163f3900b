// A node's way to the process that holds a terminal: a private socket, output as the caller takes it.
// It must never hold more output than the window it granted.
// Next: protocol.ts has the frames; handler.ts relays them to callers.

import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { systemClock } from "../../../clock.ts";
import { Pace } from "./pace.ts";
import {
  type Attached,
  type AttachRequest,
  creditFrame,
  FRAME,
  FRAME_BYTES_MAX,
  FrameReader,
  frame,
  jsonOf,
  type SessionEnd,
  WINDOW_BYTES,
} from "./protocol.ts";
import type { TerminalSize } from "./pty.ts";
import { FILES } from "./session_record.ts";

/** Taken output that is worth telling the host (bytes); what it may send meanwhile is three times as much. */
const CREDIT_BYTES = WINDOW_BYTES / 4;

/** What comes from a terminal. */
export type HostEvent =
  | { readonly kind: "attached" | "skipped"; readonly at: Attached }
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "ended"; readonly end: SessionEnd };

/** A connection to a session's process; close it with `using`. */
export class HostConnection implements Disposable {
  readonly #socket: Socket;
  readonly #events: HostEvent[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  /** `undefined` when there is no such process any more. */
  static async open(folder: string): Promise<HostConnection | undefined> {
    let fd: number;
    try {
      fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch {
      return undefined;
    }
    try {
      const socket = connect(`/proc/self/fd/${fd}/${FILES.socket}`);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
      return (await promise) ? new HostConnection(socket) : undefined;
    } finally {
      closeSync(fd);
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on("data", (bytes: Buffer) => {
      try {
        for (const one of reader.add(bytes)) this.#take(one.kind, one.payload);
      } catch {
        this.#socket.destroy();
      }
      this.#wake();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  attach(request: AttachRequest): void {
    this.#socket.write(Buffer.concat([frame(FRAME.attach, request), creditFrame(WINDOW_BYTES)]));
  }

  resize(size: TerminalSize): void {
    this.#socket.write(frame(FRAME.resize, size));
  }

  /** A size from somebody who does not look; resolves when it is on its way for good. */
  tell(size: TerminalSize): Promise<void> {
    return this.#leaveWith(frame(FRAME.resize, size));
  }

  /** Has the session end, and leaves; resolves when that is on its way for good. */
  end(): Promise<void> {
    return this.#leaveWith(frame(FRAME.hangup));
  }

  hangup(): void {
    this.#socket.write(frame(FRAME.hangup));
  }

  /** Resolves when the process has taken it, or is gone. */
  async input(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength && !this.#isClosed; at += FRAME_BYTES_MAX) {
      const part = frame(FRAME.input, bytes.subarray(at, at + FRAME_BYTES_MAX));
      if (this.#socket.write(part)) continue;
      await new Promise<void>((resolve) => {
        this.#socket.once("drain", resolve);
        this.#socket.once("close", resolve);
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
          this.#socket.write(creditFrame(takenBytes));
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
    this.#socket.destroy();
  }

  #leaveWith(word: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve();
      this.#socket.once("close", () => resolve());
      this.#socket.end(word);
    });
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

  #take(kind: number, payload: Uint8Array): void {
    if (kind === FRAME.output) this.#events.push({ kind: "output", bytes: payload });
    else if (kind === FRAME.ended)
      this.#events.push({ kind: "ended", end: jsonOf(payload) as SessionEnd });
    else if (kind === FRAME.attached || kind === FRAME.skipped) {
      const at = jsonOf(payload) as Attached;
      this.#events.push({ kind: kind === FRAME.attached ? "attached" : "skipped", at });
    }
  }
}
