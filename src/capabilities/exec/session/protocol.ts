// What a node and the process that holds a terminal say to each other over a private socket: framed messages.
// It must never hold more than one frame that is not whole yet, nor take a longer one than either side may send.
// Next: host.ts is the one end, connection.ts the other.

import { OperonError } from "../../../error.ts";
import type { ConfinementReport } from "../launch/confinement.ts";

/** Kinds of frames. Those below 16 go to the host. */
export const FRAME = {
  /** JSON {@link AttachRequest}: the first of a connection, once. */
  attach: 1,
  /** Bytes for the terminal. */
  input: 2,
  /** JSON of a terminal's size. */
  resize: 3,
  /** How many bytes more the node takes (u32). */
  credit: 4,
  /** Ends the command with everything it started. */
  hangup: 5,
  /** JSON {@link Attached}: the answer to `attach`. */
  attached: 16,
  /** Bytes from the terminal. */
  output: 17,
  /** The client was too slow: JSON {@link Attached} says where it goes on. */
  skipped: 18,
  /** All output was sent: JSON of {@link SessionEnd}. */
  ended: 19,
} as const;

/** How somebody looks at a terminal. */
export interface AttachRequest {
  /** Position of the first byte wanted; negative for all there is. */
  readonly from: number;
  readonly read_only: boolean;
  /** The session ends with this connection. */
  readonly holds: boolean;
}

/** Where the output goes on. */
export interface Attached {
  readonly from: number;
  /** Bytes asked for that are there no more. */
  readonly dropped: number;
}

/** How a session ended. */
export interface SessionEnd extends ConfinementReport {
  readonly exit_code: number;
  readonly signal?: string;
  readonly output_bytes: number;
  readonly ended_at: string;
  /** The required recording could not go on. */
  readonly recording_failed?: true;
}

/** Bytes on their way to one client at most, until it says it took them. */
export const WINDOW_BYTES = 256 * 1024;
/** Longest payload of a frame (bytes). */
export const FRAME_BYTES_MAX = 64 * 1024;
const HEADER_BYTES = 5;

/** A frame, ready to be written. */
export function frame(kind: number, payload: Uint8Array | object = new Uint8Array(0)): Uint8Array {
  const bytes =
    payload instanceof Uint8Array ? payload : new TextEncoder().encode(JSON.stringify(payload));
  const whole = new Uint8Array(HEADER_BYTES + bytes.byteLength);
  new DataView(whole.buffer).setUint32(0, bytes.byteLength);
  whole[4] = kind;
  whole.set(bytes, HEADER_BYTES);
  return whole;
}

/** A `credit` frame. */
export function creditFrame(bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes);
  return frame(FRAME.credit, payload);
}

/** The JSON of a payload. */
export function jsonOf(payload: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(payload));
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** The frames that are whole now. @throws OperonError `exec.frame_invalid` */
  *add(bytes: Uint8Array): Generator<{ readonly kind: number; readonly payload: Uint8Array }> {
    this.#rest = this.#rest.byteLength === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      if (this.#rest.byteLength < HEADER_BYTES) return;
      const view = new DataView(this.#rest.buffer, this.#rest.byteOffset);
      const size = view.getUint32(0);
      if (size > FRAME_BYTES_MAX) throw tooLong(size);
      if (this.#rest.byteLength < HEADER_BYTES + size) {
        // The caller's buffer may be used again.
        this.#rest = Uint8Array.from(this.#rest);
        return;
      }
      const payload = this.#rest.slice(HEADER_BYTES, HEADER_BYTES + size);
      const kind = this.#rest[4]!;
      this.#rest = this.#rest.subarray(HEADER_BYTES + size);
      yield { kind, payload };
    }
  }
}

function tooLong(size: number): OperonError {
  return new OperonError({
    code: "exec.frame_invalid",
    kind: "internal",
    message: `A session's process sent a message of ${size} bytes`,
    hint: "End the session and start another one",
  });
}
