// Who is at the other end of a Unix socket, as the kernel says.
// It must never take the word of the peer, nor accept one of whom the kernel says nothing.
// Next: local_listener.ts asks before it accepts.

import { ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { openLibc } from "../libc.ts";

/** The process that connected. */
export interface LocalPeer {
  readonly uid: number;
  /** Unknown where the platform does not tell. */
  readonly pid: number | undefined;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

let read: ((descriptor: number) => LocalPeer | undefined) | undefined;

/** The process at the other end of a connected socket (unix(7) SO_PEERCRED). */
export function peerOf(descriptor: number): LocalPeer | undefined {
  read ??= process.platform === "darwin" ? readerOfDarwin() : readerOfLinux();
  return read(descriptor);
}

/**
 * Whether it is a command that some node started and keeps from gaining rights: it acts for whoever called that node,
 * not for the user whose process it is. Such a process and all it starts wear a realtime CPU limit, which they can
 * lower but not take off, and cannot lose `no_new_privs`; nobody else has both.
 */
export function isConfined({ pid }: LocalPeer): boolean {
  if (process.platform !== "linux") return false;
  try {
    const hasNoNewPrivileges = /^NoNewPrivs:\s*1$/m.test(
      readFileSync(`/proc/${pid}/status`, "latin1"),
    );
    return hasNoNewPrivileges && ![NO_LIMIT, realtimeLimit("self")].includes(realtimeLimit(pid));
  } catch {
    // Gone before it was looked at: nobody is waiting for an answer.
    return true;
  }
}

const NO_LIMIT = "unlimited";

/** The hard one. A node inside another node's command wears that one's, as do its equals. */
function realtimeLimit(pid: number | "self" | undefined): string | undefined {
  const text = readFileSync(`/proc/${pid}/limits`, "latin1");
  return /^Max realtime timeout\s+\S+\s+(\S+)/m.exec(text)?.[1];
}

function readerOfDarwin() {
  const symbols = openLibc({ getpeereid: { args: ["i32", "ptr", "ptr"], returns: "i32" } });
  return (descriptor: number): LocalPeer | undefined => {
    const ids = new Uint32Array(2);
    if (symbols.getpeereid(descriptor, ptr(ids), ptr(ids, 4)) !== 0) return undefined;
    return { uid: ids[0]!, pid: undefined };
  };
}

function readerOfLinux() {
  const symbols = openLibc({
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  });
  return (descriptor: number): LocalPeer | undefined => {
    const credentials = new Uint32Array(3);
    const size = new Uint32Array([credentials.byteLength]);
    const into = ptr(credentials);
    if (symbols.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, into, ptr(size)) !== 0)
      return undefined;
    return { pid: credentials[0]!, uid: credentials[1]! };
  };
}
