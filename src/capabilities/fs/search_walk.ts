// Walks what lies below a folder, entry by entry, through folders the caller may list.
// It must never enter a folder that policy would not let the caller list under its own path, or follow a link.
// Next: find.ts and grep.ts walk with it.

import type { Call } from "../../contract/capability.ts";
import type { Access, AnyOperation } from "../../contract/operation.ts";
import type { MountFolder } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { attempt, type Failing } from "./failure.ts";
import { type Found, foundIn } from "./folder_listing.ts";
import { pathBelow } from "./tree_source.ts";

/** What walking needs of a call. */
export type Searching = Pick<Call<AnyOperation, "mounts">, "signal" | "services" | "authorize"> &
  Failing;

/** An entry on the way. */
export interface WalkedEntry extends Found {
  /** Its virtual path; not one that can be asked for where {@link Found.isNameable} is false. */
  readonly path: string;
  /** Path below the start. */
  readonly below: string;
}

/** How to walk. */
export interface WalkOptions {
  readonly path: string;
  /** Levels below the start; 1 for its own entries. */
  readonly depthMax: number;
  /** What policy must allow for a folder that is entered. */
  readonly accessesOf: (resource: string) => readonly Access[];
}

/** Deepest nesting (folders): each level holds a descriptor. */
const DEPTH_MAX = 200;
/** Walking, and looking at what was found, for this long (ms) gives other calls a turn. */
const TURN_MS = 5;

/** A walk; iterate it once. */
export class Walk {
  /** Folders that were not entered: denied, unreadable, in another mount, or too deep. */
  skipped = 0;
  readonly #options: WalkOptions;
  readonly #call: Searching;
  #turnMs = performance.now();

  constructor(options: WalkOptions, call: Searching) {
    this.#options = options;
    this.#call = call;
  }

  /** Every entry, a folder before what it holds. */
  async *entries(): AsyncGenerator<WalkedEntry, undefined> {
    using folder = this.#call.services.mounts.folder(this.#options.path);
    yield* this.#walk(folder, "", 1);
    return undefined;
  }

  async *#walk(
    folder: MountFolder,
    prefix: string,
    depth: number,
  ): AsyncGenerator<WalkedEntry, undefined> {
    const call = this.#call;
    const entries = foundIn(folder, call.services.mounts);
    for (;;) {
      const next = attempt(call, folder.virtual_path, () => entries.next());
      if (next.done) return undefined;
      const found = next.value;
      const path = pathBelow(folder.virtual_path, found.name);
      const below = prefix + found.name;
      yield { ...found, path, below };
      if (performance.now() - this.#turnMs > TURN_MS) {
        await turn(call.signal);
        this.#turnMs = performance.now();
      }
      if (!found.stat.isDirectory() || depth >= this.#options.depthMax) continue;
      using inner = depth < DEPTH_MAX && found.isNameable ? this.#enter(path) : undefined;
      if (inner) yield* this.#walk(inner, `${below}/`, depth + 1);
      else this.skipped++;
    }
  }

  #enter(path: string): MountFolder | undefined {
    const { mounts } = this.#call.services;
    try {
      const accesses = this.#options.accessesOf(mounts.resourceOf(path));
      const isAllowed = accesses.every((access) => this.#call.authorize(access));
      return isAllowed ? mounts.folder(path) : undefined;
    } catch (error) {
      if (error instanceof OperonError) return undefined;
      throw error;
    }
  }
}

/** Gives other calls a turn. */
export async function turn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
