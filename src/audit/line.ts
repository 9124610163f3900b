// One line of the log: how a record becomes bytes, and what can be told of a line without parsing JSON.
// It must never write a raw control character, nor a line longer than ENTRY_BYTES_MAX.
// Next: chain.ts links lines, verify.ts checks them by their fixed places.

import { OperonError } from "../error.ts";
import type { AuditRecord } from "./entry.ts";

/** Longest line (bytes, without the line feed): stops a caller from filling the disk with one call. */
export const ENTRY_BYTES_MAX = 64 * 1024;
/** `prev` of the first entry. */
export const FIRST_PREV = "0".repeat(64);

const LINE_FEED = 10;
const HEAD = Buffer.from('{"sequence":');
const TAIL = Buffer.from(',"prev":"');
/** `,"prev":"` + 64 hex characters + `"}` */
const TAIL_BYTES = TAIL.length + 64 + 2;
/** What sequence, time, and prev add to a record's own JSON, at most. */
const FRAME_BYTES = 160;
/** What `"cut":true` adds. */
const CUT_BYTES = 12;

/** SHA-256 of a line without its line feed, hex. */
export function hashLine(line: string | Uint8Array): string {
  return Bun.SHA256.hash(line as string, "hex");
}

/** Joins a record's {@link encodeRecord body}, its place and its link into a line (without the line feed). */
export function joinLine(
  body: string,
  place: { readonly sequence: number; readonly time: string; readonly prev: string },
): string {
  return `{"sequence":${place.sequence},"time":"${place.time}",${body},"prev":"${place.prev}"}`;
}

/**
 * The record as the middle of a line. What is too long is cut, longest texts first, and the entry says so (`cut`).
 * @throws OperonError `audit.entry_invalid` for a record that has no JSON form
 */
export function encodeRecord(record: AuditRecord): string {
  const body = toJson(record);
  if (body.length + FRAME_BYTES <= ENTRY_BYTES_MAX / 3) return body;
  if (Buffer.byteLength(body) + FRAME_BYTES <= ENTRY_BYTES_MAX) return body;
  const short = shortened(record, ENTRY_BYTES_MAX - FRAME_BYTES - CUT_BYTES);
  if (short) return toJson({ ...short, cut: true });
  const { event, call, principal, operation, decision } = record;
  return toJson(
    shorten({ event, call, principal, operation, decision, cut: true }, 256, 0) as AuditRecord,
  );
}

/** A record, or a part of one, with what is too long in it cut so that its JSON fits; `undefined` when nothing helps. */
export function shortened<Part extends object>(part: Part, bytesMax: number): Part | undefined {
  for (let room = Math.floor(bytesMax / 8); room >= 16; room = Math.floor(room / 4)) {
    const short = shorten(part, room, 0) as Part;
    if (Buffer.byteLength(toJson(short)) <= bytesMax) return short;
  }
  return undefined;
}

// JSON.stringify escapes C0 and lone surrogates; the rest of what can steer a terminal or split a line is escaped here.
const UNSAFE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;
const UNSAFE_ALL = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Without the braces. */
function toJson(record: object): string {
  let json: string;
  try {
    json = JSON.stringify(record);
  } catch (cause) {
    throw new OperonError({
      code: "audit.entry_invalid",
      kind: "internal",
      message: "An audit record cannot be written as JSON",
      cause,
    });
  }
  if (UNSAFE.test(json)) {
    json = json.replace(
      UNSAFE_ALL,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  }
  return json.slice(1, -1);
}

const LIST_ITEMS_MAX = 64;

function shorten(value: unknown, room: number, depth: number): unknown {
  if (typeof value === "string") {
    if (value.length <= room) return value;
    return `${value.slice(0, room)}…(${value.length - room} more characters)`;
  }
  if (value === null || typeof value !== "object") return value;
  if (depth > 8) return "…(nested too deep)";
  const most = Math.min(LIST_ITEMS_MAX, Math.max(4, Math.floor(room / 8)));
  if (Array.isArray(value)) {
    const kept = value.slice(0, most).map((item) => shorten(item, room, depth + 1));
    return value.length > most ? [...kept, `…(${value.length - most} more items)`] : kept;
  }
  const fields = Object.entries(value);
  const kept = fields
    .slice(0, most)
    .map(([key, item]) => [key.slice(0, 128), shorten(item, room, depth + 1)] as const);
  if (fields.length > most) kept.push(["…", `(${fields.length - most} more fields)`]);
  return Object.fromEntries(kept);
}

/** The sequence at a line's fixed place, or -1 when the line has no such head. */
export function sequenceOf(line: Uint8Array): number {
  for (let i = 0; i < HEAD.length; i++) if (line[i] !== HEAD[i]) return -1;
  let sequence = 0;
  let at = HEAD.length;
  for (; at < line.length && at < HEAD.length + 16; at++) {
    const digit = line[at]! - 48;
    if (digit < 0 || digit > 9) break;
    sequence = sequence * 10 + digit;
  }
  return at > HEAD.length && line[at] === 44 ? sequence : -1;
}

/** The hash of the entry before, at a line's fixed place, or `undefined` when the line has no such tail. */
export function prevOf(line: Uint8Array): string | undefined {
  const start = line.length - TAIL_BYTES;
  if (start < HEAD.length || line[line.length - 1] !== 125 || line[line.length - 2] !== 34) return;
  for (let i = 0; i < TAIL.length; i++) if (line[start + i] !== TAIL[i]) return;
  return Buffer.from(line.buffer, line.byteOffset + start + TAIL.length, 64).toString("latin1");
}

/** Calls `each` for every complete line in `bytes`; returns where the incomplete rest starts. */
export function eachLine(
  bytes: Uint8Array,
  each: (line: Uint8Array, start: number) => void,
): number {
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(LINE_FEED, start);
    if (end === -1) return start;
    each(bytes.subarray(start, end), start);
    start = end + 1;
  }
}

/** `time` of a line (Unix ms), or `undefined`; it stands right after the sequence. */
export function timeOf(line: Uint8Array): number | undefined {
  const head = Buffer.from(line.buffer, line.byteOffset, Math.min(line.length, 80)).toString(
    "latin1",
  );
  const found = /^\{"sequence":\d+,"time":"([^"]{20,30})"/.exec(head);
  const ms = found ? Date.parse(found[1]!) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
