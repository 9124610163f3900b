// One file of a tree as it arrives: staged beside its place, checked against its hash, then put in place.
// It must never put a file in place whose bytes are not those that were sent.
// Next: tree_sink.ts makes these; staged_file.ts for how a file is staged.

import type { MountParent } from "../../contract/services.ts";
import { attempt } from "./failure.ts";
import { hashRange } from "./file_hash.ts";
import type { FolderPin } from "./folder_pin.ts";
import { makeNewFile } from "./new_file.ts";
import type { Precondition } from "./precondition.ts";
import { type Committed, type Committing, StagedFile } from "./staged_file.ts";
import { type FileEndEvent, type FileEvent, PARTIAL_BYTES_MIN, partialName } from "./tree_event.ts";

/** What arrives, and where it goes. */
export interface ReceivedFileParts {
  readonly path: string;
  readonly event: FileEvent;
  /** Whether it must come with its hash. */
  readonly hashed: boolean;
  readonly precondition: Precondition;
}

/** Files up to this size (bytes) are held until they are complete, then written in one go: most files are small. */
const HELD_BYTES_MAX = 128 * 1024;

/** A file under way; dispose it to drop it, but for the partial file of a large one. */
export class ReceivedFile implements Disposable {
  readonly event: FileEvent;
  receivedBytes = 0;
  readonly #parts: ReceivedFileParts;
  readonly #call: Committing;
  readonly #hasher: Bun.CryptoHasher | undefined;
  /** Where it is staged; a small file is `held` instead. */
  readonly #staging: Staging | undefined;
  readonly #held: Uint8Array[] = [];

  /** @throws `fs.stream_invalid`, `fs.changed`, `fs.busy`, and what opening may end in */
  constructor(parts: ReceivedFileParts, call: Committing) {
    const { event, hashed } = parts;
    const { size_bytes, offset_bytes } = event;
    this.event = event;
    this.#parts = parts;
    this.#call = call;
    this.#hasher = hashed ? new Bun.CryptoHasher("sha256") : undefined;
    const isPartial = hashed && size_bytes >= PARTIAL_BYTES_MIN;
    if (offset_bytes > (isPartial ? size_bytes : 0)) {
      throw call.fail("stream_invalid", { why: "an offset is wrong" });
    }
    if (size_bytes > HELD_BYTES_MAX) this.#staging = stage(parts, isPartial, call);
  }

  /** Hashes what an earlier copy left. Call once, before the first data. */
  readPartial(): Promise<unknown> | undefined {
    const { event, path } = this.#parts;
    if (!this.#hasher || !this.#staging || event.offset_bytes === 0) return undefined;
    const range = { start: 0, end: event.offset_bytes, hasher: this.#hasher };
    return hashRange(this.#staging.staged.fd, { ...range, path, call: this.#call });
  }

  /** Takes bytes it does not keep. @throws `fs.stream_invalid` when more comes than was announced */
  write(bytes: Uint8Array): void {
    this.receivedBytes += bytes.byteLength;
    const { offset_bytes, size_bytes } = this.event;
    if (offset_bytes + this.receivedBytes > size_bytes) {
      throw this.#call.fail("stream_invalid", { why: "a file is longer than announced" });
    }
    this.#hasher?.update(bytes);
    if (this.#staging) this.#staging.staged.write(bytes);
    else this.#held.push(bytes.slice());
  }

  /** @throws `fs.hash_mismatch`, `fs.stream_invalid`, and what a commit may end in */
  async commit({ sha256, size_bytes }: FileEndEvent): Promise<Committed> {
    const { event, path, precondition } = this.#parts;
    if (size_bytes !== event.offset_bytes + this.receivedBytes) {
      throw this.#call.fail("stream_invalid", { why: "a file is not as long as it says" });
    }
    if (this.#hasher && this.#hasher.digest("hex") !== sha256) {
      this.#staging?.staged.abandon();
      throw this.#call.fail("hash_mismatch", { path });
    }
    const options = { ...precondition, mode: event.mode, modified_ns: event.modified_ns };
    if (this.#staging) return this.#staging.staged.commit(options, this.#call);
    using staging = stage(this.#parts, false, this.#call);
    for (const bytes of this.#held) staging.staged.write(bytes);
    return await staging.staged.commit({ ...options, just_opened: true }, this.#call);
  }

  /**
   * The same for a small file where nothing is yet, at once; false when it takes more, then {@link commit} it.
   * @throws as {@link commit}
   */
  commitNew({ sha256, size_bytes }: FileEndEvent, pin: FolderPin): boolean {
    const { event, path, precondition } = this.#parts;
    const isGuarded = precondition.expected_version !== undefined;
    if (this.#staging || isGuarded || size_bytes !== this.receivedBytes) return false;
    if (this.#hasher && this.#hasher.copy().digest("hex") !== sha256) return false;
    const { mode, modified_ns } = event;
    const parent = pin.parent(path);
    return attempt(this.#call, path, () =>
      makeNewFile(parent, { content: this.#held, mode, modified_ns }),
    );
  }

  [Symbol.dispose](): void {
    this.#staging?.[Symbol.dispose]();
  }
}

interface Staging extends Disposable {
  readonly parent: MountParent;
  readonly staged: StagedFile;
}

function stage({ path, event }: ReceivedFileParts, isPartial: boolean, call: Committing): Staging {
  const parent = call.services.mounts.parent(path, "change");
  try {
    if (parent.name === "") throw call.fail("not_a_file", { path });
    const partial = isPartial
      ? { name: partialName(parent.name, event), offset_bytes: event.offset_bytes }
      : undefined;
    const staged = new StagedFile(parent, call, partial ? { partial } : {});
    return {
      parent,
      staged,
      [Symbol.dispose]() {
        staged[Symbol.dispose]();
        parent[Symbol.dispose]();
      },
    };
  } catch (error) {
    parent[Symbol.dispose]();
    throw error;
  }
}
