// What a node and the process that holds a terminal say to each other over a private socket: a record is one byte for its
// kind, and what belongs to it.
// It must never put more output on the way than the other end has room for.
// Next: host.ts is the one end, connection.ts the other; wire/local.ts carries the records.

import type { LocalChannel } from "../../../wire/local.ts";
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
  /** How much there was when the client came: in the answer to `attach`, but not of a process that an older version started. */
  readonly end?: number;
}

/** How a session ended. */
export interface SessionEnd extends ConfinementReport {
  readonly exit_code: number;
  readonly signal?: string;
  /** Not said by a process that an older version started. */
  readonly timed_out?: boolean;
  readonly output_bytes: number;
  readonly ended_at: string;
  /** The required recording could not go on. */
  readonly recording_failed?: true;
}

/** Bytes on their way to one client at most, until it says it took them. */
export const WINDOW_BYTES = 256 * 1024;
/** Longest payload of a frame (bytes). */
export const FRAME_BYTES_MAX = 64 * 1024;

/** Sends a frame. */
export function sendFrame(
  channel: LocalChannel,
  kind: number,
  payload: Uint8Array | object = new Uint8Array(0),
): void {
  const bytes =
    payload instanceof Uint8Array ? payload : new TextEncoder().encode(JSON.stringify(payload));
  channel.send([Uint8Array.of(kind), bytes]);
}

/** Grants credit. */
export function sendCredit(channel: LocalChannel, bytes: number): void {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes);
  sendFrame(channel, FRAME.credit, payload);
}

/** The JSON of a payload. */
export function jsonOf(payload: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(payload));
}
