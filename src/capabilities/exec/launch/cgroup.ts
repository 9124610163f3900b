// A control group for one command: what its processes use together is limited, and none of them gets out of it.
// It must never claim a limit whose file could not be written, nor leave its folder behind when it is empty.
// Next: confinement.ts opens one for each command that needs it; process_tree.ts ends what is in it.

import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Limits } from "./limits.ts";

const ROOT = "/sys/fs/cgroup";
/** `operon-<pid of who made it>-<number>`. */
const NAME = /^operon-(\d+)-\d+$/;
/** What a node's own process is moved to, so that version 2 lets groups beside it have controllers. */
const OWN_LEAF = "operon-node";

/** Which limit stands in which file, by version of control groups and controller. */
const FILES = {
  1: {
    memory: { limit: "memory_bytes", file: "memory.limit_in_bytes" },
    pids: { limit: "pids", file: "pids.max" },
  },
  2: {
    memory: { limit: "memory_bytes", file: "memory.max" },
    pids: { limit: "pids", file: "pids.max" },
  },
} as const;
type Controller = "memory" | "pids";

/** A folder of a hierarchy in which this process may make groups. */
interface Base {
  readonly version: 1 | 2;
  readonly path: string;
  readonly controllers: readonly Controller[];
}

let bases: readonly Base[] | undefined;
let made = 0;

/** The groups of one command, one in each hierarchy it takes. */
export class ControlGroup implements Disposable {
  /** Limits that hold for all processes in it together. */
  readonly enforced: readonly ("memory_bytes" | "pids")[];
  /** Files that take a process in. */
  readonly doors: readonly string[];
  readonly #folders: readonly string[];

  /** A group for these limits; `undefined` where none is asked for or can be had. */
  static open(limits: Limits): ControlGroup | undefined {
    if (limits.memory_bytes === undefined && limits.pids === undefined) return undefined;
    bases ??= findBases();
    const group = new ControlGroup(limits, bases);
    return group.#folders.length > 0 ? group : undefined;
  }

  private constructor(limits: Limits, available: readonly Base[]) {
    const name = `operon-${process.pid}-${++made}`;
    const enforced: ("memory_bytes" | "pids")[] = [];
    const folders: string[] = [];
    for (const { version, path, controllers } of available) {
      const folder = join(path, name);
      const set = controllers.filter((controller) => {
        const { limit, file } = FILES[version][controller];
        const most = limits[limit];
        if (most === undefined || enforced.includes(limit)) return false;
        if (!makeFolder(folder) || !writeText(join(folder, file), String(most))) return false;
        enforced.push(limit);
        // Else it would only be slow: what does not fit would go to the swap.
        if (controller === "memory" && version === 2)
          writeText(join(folder, "memory.swap.max"), "0");
        return true;
      });
      if (set.length > 0) folders.push(folder);
      else removeFolder(folder);
    }
    this.enforced = enforced;
    this.#folders = folders;
    this.doors = folders.map((folder) => join(folder, "cgroup.procs"));
  }

  /** Ids of what is in it. */
  members(): readonly number[] {
    const texts = this.doors.map(readText);
    return [...new Set(texts.flatMap((text) => text.split("\n").filter(Boolean).map(Number)))];
  }

  /** Removes it, unless something in it lives on: then the next process does that finds it empty. */
  [Symbol.dispose](): void {
    for (const folder of this.#folders) removeFolder(folder);
  }
}

/** Removes empty groups of processes that are gone: of a node that was killed, say. */
export function sweepGroups(): void {
  for (const { path } of placesOf()) sweep(path);
}

/** Where this process may make groups, after it has removed empty ones of processes that are gone. */
function findBases(): readonly Base[] {
  sweepGroups();
  return placesOf().flatMap((place) =>
    place.version === 1
      ? [{ ...place, controllers: [place.name] }]
      : (delegatedBase(place.path) ?? []),
  );
}

/** Controllers of one hierarchy that commands can be limited by. */
export type AvailableControllers = Pick<Base, "version" | "controllers">;

/** What groups of this process could limit, or of the one with this id; found out without making or moving anything. */
export function availableControllers(pid?: number): readonly AvailableControllers[] {
  return placesOf(pid).flatMap((place): AvailableControllers[] => {
    const { version, path } = place;
    if (!isWritable(path)) return [];
    if (version === 1) return [{ version, controllers: [place.name] }];
    const controllers = canDelegate(path, pid ?? process.pid) ? controllersOf(path) : [];
    return controllers.length > 0 ? [{ version, controllers }] : [];
  });
}

/** Whether {@link delegatedBase} would succeed for a process. */
function canDelegate(path: string, pid: number): boolean {
  const given = readText(join(path, "cgroup.subtree_control")).trim().split(" ");
  if (controllersOf(path).every((name) => given.includes(name))) return true;
  const others = readText(join(path, "cgroup.procs")).trim().split("\n").filter(Boolean);
  return (
    // Only the root may have both processes and children with controllers.
    (path === ROOT || others.every((other) => Number(other) === pid)) &&
    isWritable(join(path, "cgroup.procs")) &&
    isWritable(join(path, "cgroup.subtree_control"))
  );
}

/** A folder in which groups of a process are, or would be. */
type Place =
  | { readonly version: 1; readonly path: string; readonly name: Controller }
  | { readonly version: 2; readonly path: string };

/** `ID:CONTROLLERS:PATH`, with neither id nor controllers in version 2; cgroups(7). */
function placesOf(pid: number | "self" = "self"): readonly Place[] {
  if (process.platform !== "linux") return [];
  return readText(`/proc/${pid}/cgroup`)
    .split("\n")
    .flatMap((line): Place[] => {
      const [, name = "", path = ""] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
      // Within one's own group a command of another node's: `..` says it is out of sight.
      if (path === "" || path.includes("/..")) return [];
      if (name === "memory" || name === "pids")
        return [{ version: 1, path: join(ROOT, name, path), name }];
      if (name !== "") return [];
      const own = join(ROOT, path);
      const base = own.endsWith(`/${OWN_LEAF}`) ? own.slice(0, -OWN_LEAF.length - 1) : own;
      return [{ version: 2, path: base }];
    });
}

/** A folder of version 2, with its controllers made available to groups in it; `undefined` where that is not ours to do. */
function delegatedBase(path: string): Base | undefined {
  const controllers = controllersOf(path);
  if (controllers.length === 0) return undefined;
  const leaf = join(path, OWN_LEAF);
  // A group with processes of its own gives its children no controllers.
  const isDelegated =
    makeFolder(leaf) &&
    writeText(join(leaf, "cgroup.procs"), String(process.pid)) &&
    writeText(
      join(path, "cgroup.subtree_control"),
      controllers.map((name) => `+${name}`).join(" "),
    );
  return isDelegated ? { version: 2, path, controllers } : undefined;
}

/** Those a folder of version 2 has that limit something here. */
function controllersOf(path: string): readonly Controller[] {
  const has = readText(join(path, "cgroup.controllers")).trim().split(" ");
  return (["memory", "pids"] as const).filter((name) => has.includes(name));
}

function sweep(base: string): void {
  for (const name of listFolder(base)) {
    const [, pid] = NAME.exec(name) ?? [];
    if (pid !== undefined && readText(`/proc/${pid}/stat`) === "") removeFolder(join(base, name));
  }
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    return true;
  } catch {
    return false;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Fails harmlessly while something is in it. */
function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // EBUSY, or it never was.
  }
}

function writeText(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function listFolder(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
