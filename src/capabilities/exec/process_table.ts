// What the kernel says about processes: parents, children, sessions, tags. Linux only; elsewhere
// all is empty.
// It must never be believed a second later: processes come and go between two looks.
// Next: process_tree.ts walks it to find everything a command started.

import { readdirSync, readFileSync } from "node:fs";

/** What `/proc/PID/stat` says of a process. */
export interface ProcessState {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** `Z` for one that is dead but not yet reaped. */
  readonly state: string;
}

/** A process's state, if it exists. */
export function processState(pid: number): ProcessState | undefined {
  const text = readProc(`${pid}/stat`);
  // The name stands in brackets and may hold brackets and blanks itself.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields.length < 4) return undefined;
  return { pid, state: fields[0]!, parent: Number(fields[1]), session: Number(fields[3]) };
}

/** The threads of a process. */
export function threadsOf(pid: number): readonly number[] {
  return listProc(`${pid}/task`).map(Number);
}

/** The children of some threads of a process. */
export function childrenOf(pid: number, threads: readonly number[]): readonly number[] {
  const children = threads.flatMap((thread) =>
    numbersIn(readProc(`${pid}/task/${thread}/children`)),
  );
  if (children.length > 0 || hasChildrenFiles()) return children;
  return listProcesses().filter((other) => processState(other)?.parent === pid);
}

/** All processes. */
export function listProcesses(): readonly number[] {
  return listProc("")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/**
 * The realtime CPU limits of a process (µs), soft and hard, which serve as inherited tags; none
 * when unlimited.
 */
export function realtimeLimits(pid: number): readonly bigint[] {
  const line = /^Max realtime timeout\s+(\S+)\s+(\S+)/m.exec(readProc(`${pid}/limits`));
  return line ? [line[1]!, line[2]!].filter((limit) => /^\d+$/.test(limit)).map(BigInt) : [];
}

let childrenFiles: boolean | undefined;

/** Kernels may be built without `children` files. */
function hasChildrenFiles(): boolean {
  childrenFiles ??= listProc(`self/task/${process.pid}`).includes("children");
  return childrenFiles;
}

function numbersIn(text: string): number[] {
  return text === "" ? [] : text.trim().split(/\s+/).filter(Boolean).map(Number);
}

/**
 * The text of a file below /proc; empty when the process is gone meanwhile or is not ours to see.
 */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return "";
  }
}

function listProc(path: string): readonly string[] {
  try {
    return readdirSync(`/proc/${path}`);
  } catch {
    return [];
  }
}
