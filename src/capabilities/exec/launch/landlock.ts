// Landlock, the kernel's way to take rights to files away from a process and all it starts: landlock(7).
// It must never be asked for more than the kernel has: what a version lacks is left out, and said by `landlockVersion`.
// Next: protection.ts decides what commands keep.

import { ptr } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";
import { libc } from "../libc.ts";

const CREATE_RULESET = 444;
const ADD_RULE = 445;
const ASK_VERSION = 1n;
const PATH_BENEATH = 1n;
const O_PATH = 0o10000000;
/** First version whose rulesets have a third field, what is scoped. */
const SCOPES_SINCE = 6;
/** First version that knows to truncate. */
const TRUNCATE_SINCE = 3;

/** Rights, as bits (linux/landlock.h). */
export const RIGHT = {
  execute: 1n << 0n,
  write_file: 1n << 1n,
  read_file: 1n << 2n,
  read_folder: 1n << 3n,
  make_character_device: 1n << 6n,
  make_block_device: 1n << 11n,
  /** To link or move a file to another folder. */
  refer: 1n << 13n,
  truncate: 1n << 14n,
} as const;

/** What a process can reach outside its own kind when nothing is scoped: abstract sockets, signals. */
export const SCOPE_ALL = 3n;

const FILE_RIGHTS = RIGHT.execute | RIGHT.write_file | RIGHT.read_file | RIGHT.truncate;

/** The kernel's version of it; 0 without. */
export function landlockVersion(): number {
  return Math.max(0, libc().systemCall(CREATE_RULESET, 0n, 0n, ASK_VERSION));
}

/** All rights this kernel can take away, but those on devices. */
export function allRights(): bigint {
  const last = landlockVersion() >= TRUNCATE_SINCE ? RIGHT.truncate : RIGHT.refer;
  return last * 2n - 1n;
}

/** A set of rules in the making. Whoever opens one closes it. */
export class Ruleset implements Disposable {
  readonly fd: number;
  readonly #handled: bigint;

  /** @param handled rights that only what is granted has. @throws Error when the kernel refuses */
  constructor(handled: bigint, scoped = 0n) {
    this.#handled = handled;
    const attributes = new BigUint64Array([handled, 0n, scoped]);
    const bytes = landlockVersion() >= SCOPES_SINCE ? 24n : 8n;
    this.fd = libc().systemCall(CREATE_RULESET, BigInt(ptr(attributes)), bytes, 0n);
    if (this.fd < 0) throw new Error("The kernel makes no Landlock ruleset");
  }

  /** Gives rights to a file, or a folder with all that is and will be in it. What is not there needs none. */
  grant(path: string, rights: bigint, isFolder = true): void {
    let fd: number;
    try {
      fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
    } catch {
      return;
    }
    // struct landlock_path_beneath_attr is packed: u64, s32.
    const rule = new DataView(new ArrayBuffer(12));
    rule.setBigUint64(0, rights & this.#handled & (isFolder ? ~0n : FILE_RIGHTS), true);
    rule.setInt32(8, fd, true);
    libc().systemCall(ADD_RULE, BigInt(this.fd), PATH_BENEATH, BigInt(ptr(rule)), 0n);
    closeSync(fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
