// A file that does not exist until it is complete: written without a name, then put in place in one step.
// It must never be seen half-written, nor leave anything behind when the upload ends early.
// Next: write.ts and copy.ts fill it, precondition.ts guards the last step.

import { randomBytes } from "node:crypto";
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Call } from "../../contract/capability.ts";
import type { AnyOperation } from "../../contract/operation.ts";
import type { MountParent } from "../../contract/services.ts";
import { attempt, type Failing, failureOf } from "./failure.ts";
import { type Locking, lockFolders, tryLockFolders } from "./folder_lock.ts";
import { native, O_CLOEXEC, O_TMPFILE_BIT } from "./native.ts";
import { assertFile } from "./open_file.ts";
import { assertInPlace, assertPrecondition, currentAt, type Precondition } from "./precondition.ts";

/** How a complete file is put in place. */
export interface CommitOptions extends Precondition {
  /** Permission bits; default: those of the file it replaces, else what the node's umask leaves of 0666. */
  readonly mode?: number | undefined;
  /** Wait until content and name are on the disk. */
  readonly durable?: boolean | undefined;
  /** When the content changed last (ns); default: now. */
  readonly modified_ns?: bigint | undefined;
  /** Nothing has waited since the parent was opened, so that it cannot have become another folder meanwhile. */
  readonly just_opened?: boolean;
}

/** How a file is staged. */
export interface StagingOptions {
  /** For tests: does without O_TMPFILE, as on disks and systems that lack it. */
  readonly named?: boolean;
  /** A name under which an upload that breaks off stays, and how much of what is there already counts (bytes). */
  readonly partial?: { readonly name: string; readonly offset_bytes: number };
}

/** What a commit did. */
export interface Committed {
  readonly stat: BigIntStats;
  /** Whether nothing was there before. */
  readonly created: boolean;
}

/** What a commit needs of a call. */
export type Committing = Locking & Pick<Call<AnyOperation, "mounts">, "services">;

/** Longest wait for the disk's clock to move on (ms): coarse ones tick every 1 to 10. */
const TICK_MAX_MS = 25;

/** An unnamed (or unguessably named) file beside its target; dispose it to drop what was not committed. */
export class StagedFile implements Disposable {
  readonly fd: number;
  readonly #parent: MountParent;
  readonly #call: Failing;
  /** Name it has while it is not in place; `undefined` while it has none at all. */
  #name: string | undefined;
  /** Whether it stays under that name when it is dropped. */
  #isKept = false;
  #position = 0;

  constructor(parent: MountParent, call: Failing, options: StagingOptions = {}) {
    this.#parent = parent;
    this.#call = call;
    const { partial } = options;
    if (partial) {
      this.fd = openPartial(parent, partial, call);
      this.#name = partial.name;
      this.#isKept = true;
      this.#position = partial.offset_bytes;
      return;
    }
    const unnamed = options.named ? undefined : openUnnamed(parent);
    this.#name = unnamed === undefined ? temporaryName() : undefined;
    this.fd = unnamed ?? attempt(call, parent.virtual_path, () => this.#openNamed());
  }

  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): void {
    attempt(this.#call, this.#parent.virtual_path, () => {
      for (let done = 0; done < bytes.byteLength; ) {
        const put = writeSync(this.fd, bytes, done, bytes.byteLength - done, this.#position);
        done += put;
        this.#position += put;
      }
    });
  }

  /** Leaves nothing behind, not even of a partial file: what it holds is of no use. */
  abandon(): void {
    this.#isKept = false;
  }

  /**
   * Checks the precondition and puts the file in place, as one step for everybody else. Call at most once.
   * @throws `fs.exists`, `fs.version_mismatch`, `fs.not_a_file`, `fs.symlink`, `fs.special_file`, `fs.busy`, …
   */
  async commit(options: CommitOptions, call: Committing): Promise<Committed> {
    const path = this.#parent.virtual_path;
    try {
      if (options.durable) await promisify(fsync)(this.fd);
    } catch (error) {
      throw failureOf(call, path, error);
    }
    const free = tryLockFolders([this.#parent], call);
    using _lock = free ?? (await lockFolders([this.#parent], call));
    call.signal.throwIfAborted();
    const hasWaited = !free || options.durable || !options.just_opened;
    if (hasWaited) assertInPlace(this.#parent, call);
    const current = currentAt(this.#parent, call);
    assertPrecondition(current, options, { path, call });
    if (current) assertFile(current, path, call);
    // Replacing needs no right to the file itself: honour one that its owner made read-only.
    if (current) attempt(call, path, () => accessSync(this.#parent.path, constants.W_OK));
    return attempt(call, path, () => {
      this.#dress(current, options);
      this.#place(current !== undefined);
      this.#isKept = false;
      if (options.durable) syncFolder(this.#parent);
      return { stat: fstatSync(this.fd, { bigint: true }), created: current === undefined };
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
    if (this.#name === undefined || this.#isKept) return;
    try {
      unlinkSync(this.#pathOf(this.#name));
    } catch {
      // Somebody removed it first, or the whole folder: nothing is left behind either way.
    }
    this.#name = undefined;
  }

  /** Owner and permissions of the file it replaces; never its set-user-id bits. */
  #dress(current: BigIntStats | undefined, { mode, modified_ns }: CommitOptions): void {
    if (current) takeOwner(this.fd, current);
    const kept = current ? Number(current.mode) & 0o777 : 0o666 & ~process.umask();
    const bits = mode ?? kept;
    fchmodSync(this.fd, bits);
    if (modified_ns !== undefined) setModified(this.fd, modified_ns);
    if (current) passTime(this.fd, { bits, after: current.ctimeNs });
  }

  #place(replace: boolean): void {
    const { fd, name } = this.#parent;
    if (!replace) {
      if (this.#name === undefined) native().linkDescriptor(this.fd, fd, name);
      else linkSync(this.#pathOf(this.#name), this.#parent.path);
      return;
    }
    const temporary = this.#name ?? temporaryName();
    if (this.#name === undefined) native().linkDescriptor(this.fd, fd, temporary);
    this.#name = temporary;
    renameSync(this.#pathOf(temporary), this.#parent.path);
    this.#name = undefined;
  }

  #openNamed(): number {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return openSync(this.#pathOf(this.#name!), flags, 0o600);
  }

  #pathOf(name: string): string {
    return `${dirname(this.#parent.path)}/${name}`;
  }
}

/** Only root may give files away; replacing somebody's file then makes it the node's, as any editor would. */
function takeOwner(fd: number, { uid, gid }: BigIntStats): void {
  const own = fstatSync(fd, { bigint: true });
  if (uid === own.uid && gid === own.gid) return;
  try {
    fchownSync(fd, Number(uid), Number(gid));
  } catch {
    // It stays the node's.
  }
}

/** Linux: a file without a name, which even a killed process leaves nothing of. `undefined` where the disk cannot. */
function openUnnamed(parent: MountParent): number | undefined {
  if (process.platform !== "linux") return undefined;
  const flags = O_TMPFILE_BIT | constants.O_DIRECTORY | constants.O_RDWR | O_CLOEXEC;
  try {
    return openSync(`${dirname(parent.path)}/.`, flags, 0o600);
  } catch {
    return undefined;
  }
}

/**
 * Opens what an earlier upload left, or starts it. The lock keeps two uploads from filling one file.
 * @throws `fs.changed` when there is less than counted on, or the file is not this node's alone; `fs.busy`
 */
function openPartial(
  parent: MountParent,
  { name, offset_bytes }: { readonly name: string; readonly offset_bytes: number },
  call: Failing,
): number {
  const path = parent.virtual_path;
  return attempt(call, path, () => {
    const host = `${dirname(parent.path)}/${name}`;
    if (offset_bytes > 0 && !lstatSync(host, { throwIfNoEntry: false })) {
      throw call.fail("changed", { path });
    }
    const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    const fd = openSync(host, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600);
    try {
      const stat = fstatSync(fd);
      assertFile(fstatSync(fd, { bigint: true }), path, call);
      if (!native().tryLock(fd)) throw call.fail("busy", { path });
      const named = lstatSync(host, { throwIfNoEntry: false });
      const isOwn = stat.nlink === 1 && named?.ino === stat.ino && named.dev === stat.dev;
      if (!isOwn || stat.size < offset_bytes) throw call.fail("changed", { path });
      ftruncateSync(fd, offset_bytes);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

function setModified(fd: number, modifiedNs: bigint): void {
  if (process.platform === "linux") return native().setModified(`/proc/self/fd/${fd}`, modifiedNs);
  const seconds = Number(modifiedNs) / 1e9;
  futimesSync(fd, seconds, seconds);
}

function temporaryName(): string {
  return `.operon-${randomBytes(16).toString("hex")}.tmp`;
}

/**
 * Waits until the disk gives a change time after `after`: two changes within one tick of a coarse clock would otherwise
 * leave two contents with one version.
 */
export function passTime(
  fd: number,
  { bits, after }: { readonly bits: number; readonly after: bigint },
): void {
  const untilMs = performance.now() + TICK_MAX_MS;
  while (fstatSync(fd, { bigint: true }).ctimeNs <= after && performance.now() < untilMs) {
    fchmodSync(fd, bits);
  }
}

function syncFolder(parent: MountParent): void {
  const fd = openSync(dirname(parent.path), constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
