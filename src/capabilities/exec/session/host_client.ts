// One who looks at a terminal, as the process that holds it sees them: a position in its output, and credit.
// It must never be sent more than it has asked for.
// Next: host.ts accepts them; protocol.ts has the frames.

import type { LocalChannel } from "../../../wire/local.ts";
import {
  type AttachRequest,
  FRAME,
  FRAME_BYTES_MAX,
  jsonOf,
  type SessionEnd,
  sendFrame,
} from "./protocol.ts";
import type { TerminalSize } from "./pty.ts";
import type { Ring } from "./ring.ts";

/** What a client may do to the terminal. */
export interface HostClientEvents {
  readonly ring: Ring;
  /** A promise of the time when the terminal has taken it, if that is not now. */
  input(bytes: Uint8Array): Promise<void> | undefined;
  resize(size: TerminalSize): void;
  hangup(): void;
  /** It took some output. */
  changed(): void;
  left(): void;
}

/** A connection to the process that holds a terminal. */
export class HostClient {
  /** Of the next byte it gets. */
  position = 0;
  isReadOnly = true;
  /** The session ends when this client leaves. */
  holds = false;
  readonly #channel: LocalChannel;
  readonly #events: HostClientEvents;
  #credit = 0;
  #isAttached = false;
  #end: SessionEnd | undefined;
  #isTold = false;
  #ended: (() => void) | undefined;

  constructor(channel: LocalChannel, events: HostClientEvents) {
    this.#channel = channel;
    this.#events = events;
    channel.events = {
      // Only the node of this user speaks here; whoever does not speak as it does is not heard: a throw closes the channel.
      record: (record) => this.#take(record[0], record.subarray(1)),
      drain: () => this.#leaveWhenTold(),
      closed: () => {
        this.#ended?.();
        events.left();
      },
    };
  }

  /** Sends what there is and may be sent. */
  flush(): void {
    if (!this.#isAttached) return;
    const { ring } = this.#events;
    if (this.position < ring.start) {
      const dropped = ring.start - this.position;
      this.position = ring.start;
      sendFrame(this.#channel, FRAME.skipped, { from: this.position, dropped });
    }
    while (this.#credit > 0 && this.position < ring.end) {
      const bytes = ring.read(this.position, Math.min(this.#credit, FRAME_BYTES_MAX));
      this.position += bytes.byteLength;
      this.#credit -= bytes.byteLength;
      sendFrame(this.#channel, FRAME.output, bytes);
    }
    if (this.#end && this.position === ring.end) {
      sendFrame(this.#channel, FRAME.ended, this.#end);
      this.#end = undefined;
      this.#isTold = true;
      this.#leaveWhenTold();
    }
  }

  /** Resolves when it has got the rest of the output and that it was the rest, or has left. */
  end(end: SessionEnd): Promise<void> {
    return new Promise((resolve) => {
      this.#end = end;
      this.#ended = resolve;
      this.flush();
    });
  }

  /** What the kernel has is delivered, whatever becomes of this process. */
  #leaveWhenTold(): void {
    if (this.#isTold && this.#channel.bufferedBytes === 0) this.#channel.close("");
  }

  #take(kind: number | undefined, payload: Uint8Array): void {
    if (kind === FRAME.attach) this.#attach(jsonOf(payload) as AttachRequest);
    else if (kind === FRAME.credit) {
      this.#credit += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
      this.flush();
      this.#events.changed();
    } else if (kind === FRAME.resize) this.#events.resize(jsonOf(payload) as TerminalSize);
    else if (kind === FRAME.hangup) this.#events.hangup();
    else if (kind === FRAME.input && !this.isReadOnly) {
      const typing = this.#events.input(payload);
      if (!typing) return;
      this.#channel.pause();
      void typing.finally(() => this.#channel.resume());
    }
  }

  #attach({ from, read_only, holds }: AttachRequest): void {
    const { ring } = this.#events;
    const wanted = from < 0 ? ring.start : Math.min(from, ring.end);
    this.position = Math.max(wanted, ring.start);
    this.isReadOnly = read_only;
    this.holds = holds;
    this.#isAttached = true;
    const dropped = this.position - wanted;
    sendFrame(this.#channel, FRAME.attached, { from: this.position, dropped, end: ring.end });
  }
}
