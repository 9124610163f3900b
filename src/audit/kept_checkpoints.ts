// Signed heads that nodes keep of each other's logs, a file each: what a restored or shortened disk cannot take back.
// It must never replace a head by one that covers less, nor keep one its log's key did not sign.
// Next: verify.ts compares a log with what others kept of it; node/witnesses.ts exchanges them.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { OperonError } from "../error.ts";
import { readPrivateFile, writePrivateFile } from "../identity/private_file.ts";
import { type Checkpoint, checkpointOf, isSignedByItsKey } from "./checkpoint.ts";

/** More than a checkpoint has (bytes). */
const FILE_BYTES_MAX = 4096;
const FILE_NAME = /^([0-9a-f]{64})\.json$/;

/** Checkpoints of other logs, by the key of the node each is of. */
export function heldFor(auditPath: string): KeptCheckpoints {
  return new KeptCheckpoints(join(auditPath, "held"));
}

/** Checkpoints of this log that others held when they were asked, by the key of the node that held each. */
export function heldByOthers(auditPath: string): KeptCheckpoints {
  return new KeptCheckpoints(join(auditPath, "held_by_others"));
}

/** A folder of checkpoints, by raw public key in hex. */
export class KeptCheckpoints {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The one that is kept; `undefined` when there is none, or nothing that can be believed. */
  find(key: string): Checkpoint | undefined {
    try {
      const bytes = readPrivateFile(this.#path(key), { maxBytes: FILE_BYTES_MAX });
      return checkpointOf(JSON.parse(Buffer.from(bytes).toString()));
    } catch {
      return undefined;
    }
  }

  /**
   * Keeps a checkpoint where it covers more than the one that is kept already, and returns that one.
   * @throws OperonError `audit.checkpoint_forged`
   */
  keep(key: string, checkpoint: Checkpoint): Checkpoint | undefined {
    if (!isSignedByItsKey(checkpoint)) throw forged();
    const before = this.find(key);
    if (before && before.size >= checkpoint.size) return before;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writePrivateFile(this.#path(key), Buffer.from(`${JSON.stringify(checkpoint)}\n`));
    return before;
  }

  /** All of them. */
  list(): readonly { readonly key: string; readonly checkpoint: Checkpoint }[] {
    return this.#names().flatMap((key) => {
      const checkpoint = this.find(key);
      return checkpoint ? [{ key, checkpoint }] : [];
    });
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).flatMap((name) => FILE_NAME.exec(name)?.[1] ?? []);
    } catch {
      return [];
    }
  }

  #path(key: string): string {
    return join(this.#folder, `${key}.json`);
  }
}

function forged(): OperonError {
  return new OperonError({
    code: "audit.checkpoint_forged",
    kind: "invalid_argument",
    message: "This checkpoint is not signed by the key it names",
    hint: "A node sends its own, as it stands in its audit folder",
  });
}
