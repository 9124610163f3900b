// What a node takes of the machine: memory, descriptors, terminals, processes, files that are there for a moment.
// It must never ask the node: all of it is the kernel's word.
// Next: soak.ts compares what was before with what is after.

import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { median } from "../bench/row.ts";
import type { NodeProcess } from "../chaos/node_process.ts";

/** What one node takes at one time. */
export interface Usage {
  readonly resident_bytes: number;
  readonly descriptors: number;
  /** Pseudo-terminals that the daemon or a process of its holds. */
  readonly terminals: number;
  readonly processes: number;
  /** Files under names that only writing gives them. */
  readonly temporary_files: number;
}

/** What a node takes now. */
export function usageOf(node: NodeProcess): Usage {
  const descendants = [String(node.pid), ...node.children()];
  return {
    resident_bytes: node.residentBytes(),
    descriptors: descriptorsOf(String(node.pid)).length,
    terminals: descendants.flatMap(descriptorsOf).filter((target) => target.includes("/ptmx"))
      .length,
    processes: descendants.length,
    temporary_files: [node.home.path, node.workspace].flatMap(temporaryFiles).length,
  };
}

/** Whether memory grew, from samples at equal intervals: medians of the last fifth and of the second, behind a warm-up. */
export function growthOf(resident: readonly number[]): Growth {
  const fifth = Math.max(1, Math.floor(resident.length / 5));
  const first_bytes = median(resident.slice(fifth, 2 * fifth));
  const last_bytes = median(resident.slice(-fifth));
  return { first_bytes, last_bytes, ratio: last_bytes / first_bytes };
}

/** Memory then and now. */
export interface Growth {
  readonly first_bytes: number;
  readonly last_bytes: number;
  readonly ratio: number;
}

function descriptorsOf(pid: string): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(join(folder, fd))];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

function temporaryFiles(folder: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((path) => /(\.new|\.tmp|\.partial)$|\/\.operon/.test(path));
}
