// What is kept of a session: a private folder with its description, its last output, its recording, its socket.
// It must never trust an id it did not make: ids are names of folders.
// Next: handler.ts makes them, host.ts writes how they ended.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { SessionEnd } from "./protocol.ts";

/** Names of the files in a session's folder. */
export const FILES = {
  description: "meta.json",
  end: "end.json",
  output: "output",
  recording: "recording.cast",
  socket: "socket",
} as const;

/** What a session is. Written once. */
export interface SessionDescription {
  readonly id: string;
  readonly kind: "session";
  /** Key id of who started it, and its name then. */
  readonly owner: string;
  readonly owner_name: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly started_at: string;
  readonly is_recorded: boolean;
  /** Whether policy had it recorded: it is never forgotten then. */
  readonly is_kept: boolean;
  readonly is_ephemeral: boolean;
  /** Process that holds the terminal. */
  readonly host_pid: number;
}

/** How a session ended, and which output is kept. */
export interface KeptEnd extends SessionEnd {
  /** Position of the first byte in the file `output`. */
  readonly output_from: number;
}

/** Ended sessions that are kept, not counting those whose recording policy requires. */
const ENDED_MAX = 500;
/** How long opening a session may take (ms). */
const BIRTH_MS = 60_000;
/** Name of the helper process that holds a terminal. */
export const HOST_NAME = "terminal-host";
const ID = /^s[0-9a-z]{12}$/;

/** A new id that nobody guesses. */
export function newSessionId(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `s${Array.from(random, (byte) => (byte % 32).toString(32)).join("")}`;
}

/** A session's own folder. */
export function sessionFolder(state: string, id: string): string {
  return join(state, id);
}

/** Makes a session's folder; only its user may enter. */
export function makeSessionFolder(state: string, id: string): string {
  const folder = sessionFolder(state, id);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

/** Writes a file whole or not at all. */
export function writeWhole(folder: string, name: string, content: Uint8Array | string): void {
  const beside = join(folder, `.${name}.new`);
  const fd = openSync(beside, "w", 0o600);
  try {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, join(folder, name));
}

/** A session, whosever it is. */
export function findSession(state: string, id: string): SessionDescription | undefined {
  if (!ID.test(id)) return undefined;
  const folder = sessionFolder(state, id);
  const found = readOnce<SessionDescription>(folder, FILES.description);
  return found?.kind === "session" && existsSync(folder) ? found : undefined;
}

/** All sessions, oldest first. */
export function listSessions(state: string): readonly SessionDescription[] {
  return readdirSync(state)
    .flatMap((id) => findSession(state, id) ?? [])
    .toSorted((a, b) => a.started_at.localeCompare(b.started_at));
}

/** How a session ended, if it has. */
export function endOf(folder: string): KeptEnd | undefined {
  return readOnce<KeptEnd>(folder, FILES.end);
}

/** How many sessions there are. */
export interface SessionCounts {
  /** Not ended. */
  readonly live: number;
  /** Ended, with a recording that policy requires. */
  readonly kept: number;
}

/** Counts sessions, whosever they are, and forgets the oldest of those that have ended and need not be kept. */
export function tidySessions(state: string): SessionCounts {
  const forgettable: { readonly folder: string; readonly at: string }[] = [];
  let live = 0;
  let kept = 0;
  for (const id of readdirSync(state).filter((name) => ID.test(name))) {
    const folder = sessionFolder(state, id);
    const end = endOf(folder);
    const description = readOnce<SessionDescription>(folder, FILES.description);
    if (!end && (description ? isHosted(folder) : isYoung(folder))) live++;
    else if (description?.is_kept) kept++;
    else forgettable.push({ folder, at: end?.ended_at ?? "" });
  }
  const oldest = forgettable.toSorted((a, b) => a.at.localeCompare(b.at)).slice(0, -ENDED_MAX);
  for (const { folder } of oldest) forgetSession(folder);
  return { live, kept };
}

/** Removes all there is of a session. */
export function forgetSession(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  for (const name of [FILES.description, FILES.end]) readFiles.delete(join(folder, name));
}

/** Whether the process that holds the terminal still lives; another may have its id by now, so it is only a hint. */
export function isHosted(folder: string): boolean {
  const { host_pid } = readOnce<SessionDescription>(folder, FILES.description) ?? {};
  if (host_pid === undefined) return false;
  try {
    return readFileSync(`/proc/${host_pid}/cmdline`, "latin1").includes(HOST_NAME);
  } catch {
    return false;
  }
}

/** Whether a session that has no description yet may still get one. */
function isYoung(folder: string): boolean {
  return Date.now() - statSync(folder).mtimeMs < BIRTH_MS;
}

/** Files that are written once and never changed, so that thousands of old sessions cost a new one little. */
const readFiles = new Map<string, unknown>();

function readOnce<Value>(folder: string, name: string): Value | undefined {
  const path = join(folder, name);
  try {
    const value = readFiles.get(path) ?? JSON.parse(readFileSync(path, "utf8"));
    readFiles.set(path, value);
    return value as Value;
  } catch {
    return undefined;
  }
}
