// What is kept of a session: a private folder with its description, its last output, its recording, its socket.
// It must never trust an id it did not make: ids are names of folders.
// Next: handler.ts makes them, host.ts writes how they ended.

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
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
  /** Key id of who started it. */
  readonly owner: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly started_at: string;
  readonly is_recorded: boolean;
  readonly is_ephemeral: boolean;
  /** Process that holds the terminal. */
  readonly host_pid: number;
}

/** How a session ended, and which output is kept. */
export interface KeptEnd extends SessionEnd {
  /** Position of the first byte in the file `output`. */
  readonly output_from: number;
}

/** Ended sessions that are kept; one that was recorded counts like any other. */
const ENDED_MAX = 500;
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

/** A session of this principal; `undefined` for another's just as for none. */
export function findSession(
  state: string,
  { id, owner }: { readonly id: string; readonly owner: string },
): SessionDescription | undefined {
  if (!ID.test(id)) return undefined;
  const found = readJson<SessionDescription>(join(state, id, FILES.description));
  return found?.kind === "session" && found.owner === owner ? found : undefined;
}

/** Sessions of a principal, oldest first. */
export function listSessions(state: string, owner: string): readonly SessionDescription[] {
  return readdirSync(state)
    .flatMap((id) => findSession(state, { id, owner }) ?? [])
    .toSorted((a, b) => a.started_at.localeCompare(b.started_at));
}

/** How a session ended, if it has. */
export function endOf(folder: string): KeptEnd | undefined {
  return readJson<KeptEnd>(join(folder, FILES.end));
}

/** How many sessions have not ended, whosever they are; forgets the oldest of those that have. */
export function countLive(state: string): number {
  const ids = readdirSync(state).filter((id) => ID.test(id));
  const ended: { readonly id: string; readonly at: string }[] = [];
  let live = 0;
  for (const id of ids) {
    const end = endOf(join(state, id));
    if (end) ended.push({ id, at: end.ended_at });
    else if (isHosted(join(state, id))) live++;
    else ended.push({ id, at: "" });
  }
  const oldest = ended.toSorted((a, b) => a.at.localeCompare(b.at)).slice(0, -ENDED_MAX);
  for (const { id } of oldest) rmSync(join(state, id), { recursive: true, force: true });
  return live;
}

/** Whether the process that holds the terminal still lives; another may have its id by now, so it is only a hint. */
export function isHosted(folder: string): boolean {
  const { host_pid } = readJson<SessionDescription>(join(folder, FILES.description)) ?? {};
  if (host_pid === undefined) return false;
  try {
    return readFileSync(`/proc/${host_pid}/cmdline`, "latin1").includes(HOST_NAME);
  } catch {
    return false;
  }
}

function readJson<Value>(path: string): Value | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Value;
  } catch {
    return undefined;
  }
}
