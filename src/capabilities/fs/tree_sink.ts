// Makes a tree from events: folders, files and links below a path, each under its own policy decision.
// It must never believe that events make sense: they may come from anybody who may call.
// Next: tree_frame.ts reads events off the wire; staged_file.ts puts files in place.

import { lstatSync } from "node:fs";
import type { Call } from "../../contract/capability.ts";
import type { Access, AnyOperation } from "../../contract/operation.ts";
import { versionOf } from "./describe.ts";
import { attempt, type Failing } from "./failure.ts";
import { FolderPin } from "./folder_pin.ts";
import { makeFolder } from "./mkdir.ts";
import { pinObject } from "./pinned_object.ts";
import { assertPrecondition, currentAt, type Precondition } from "./precondition.ts";
import { ReceivedFile } from "./received_file.ts";
import type {
  FileEndEvent,
  FileEvent,
  FolderEvent,
  LinkEvent,
  SkipReason,
  TreeEvent,
} from "./tree_event.ts";
import { makeLink } from "./tree_link.ts";
import { type CopyReport, SKIPPED_NAMED_MAX } from "./tree_report.ts";
import { pathBelow } from "./tree_source.ts";

/** What making a tree needs of a call. */
export type Making = Pick<Call<AnyOperation, "mounts">, "signal" | "services" | "authorize"> &
  Failing;

/** How a tree is made. */
export interface SinkOptions extends Precondition {
  /** Path of the root. */
  readonly to: string;
  readonly skipDenied: boolean;
  /** Whether every file must come with its hash. */
  readonly hashed: boolean;
  /** What policy must allow for an entry that is made or changed. */
  readonly accessesOf: (resource: string, kind: "folder" | "file") => readonly Access[];
}

/** The report under way, all but the version of what is not there yet. */
type Counts = Omit<CopyReport, "version">;

/** Folders inside each other: what a path can hold at all. */
const DEPTH_MAX = 2048;

interface OpenFolder {
  readonly event: FolderEvent;
  /** Policy denies it: nothing below it is made either. */
  readonly isDenied: boolean;
}

/** Obeys events in order. Dispose it when they end early; a partial file of a large one stays. */
export class TreeSink implements Disposable {
  readonly #options: SinkOptions;
  readonly #call: Making;
  /** The root first; their modes and times are set when they end. */
  readonly #folders: OpenFolder[] = [];
  readonly #counts: Counts = nothingYet();
  readonly #pin: FolderPin;
  #file: ReceivedFile | undefined;
  /** A file that is not written, whose data passes by. */
  #isPassingBy = false;
  #hasRoot = false;

  constructor(options: SinkOptions, call: Making) {
    this.#options = { ...options, to: options.to.replace(/(?<=.)\/$/, "") };
    this.#call = call;
    this.#pin = new FolderPin(call.services.mounts);
  }

  /**
   * Obeys an event; when a promise is returned, await it before the next. Call {@link endTurn} before anything else waits.
   * @throws `fs.stream_invalid`, `fs.entry_denied`, `fs.hash_mismatch`, and what writing may end in
   */
  take(event: TreeEvent): Promise<unknown> | undefined {
    if (event.kind === "data") return this.#takeData(event.bytes);
    if (event.kind === "file_end") return this.#endFile(event);
    if (this.#file || this.#isPassingBy) throw this.#invalid("a file has no end");
    if (event.kind === "folder_end") return this.#endFolder();
    if (event.kind === "skipped") return this.#skip(event.below, event.reason);
    this.#assertPlace(event);
    const isAllowed = this.#isAllowed(event);
    if (event.kind === "folder") return this.#openFolder(event, isAllowed);
    if (event.kind === "file") return this.#openFile(event, isAllowed);
    return isAllowed ? this.#makeLink(event) : undefined;
  }

  /** Lets go of what is only held while nothing waits. @throws the signal's reason when the call is over */
  endTurn(): void {
    this.#pin.release();
    this.#call.signal.throwIfAborted();
  }

  /** What was done; call when no event follows. @throws `fs.stream_invalid` when something is missing */
  finish(): CopyReport {
    if (!this.#hasRoot || this.#file || this.#isPassingBy || this.#folders.length > 0) {
      throw this.#invalid("it breaks off");
    }
    const { to } = this.#options;
    using parent = this.#call.services.mounts.parent(to, "look");
    const path = parent.name === "" ? `${parent.path}/.` : parent.path;
    const stat = attempt(this.#call, to, () => lstatSync(path, { bigint: true }));
    return { ...this.#counts, version: versionOf(stat) };
  }

  [Symbol.dispose](): void {
    this.#pin.release();
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }

  async #makeLink(event: LinkEvent): Promise<void> {
    this.endTurn();
    const made = await makeLink(this.#path(event.below), event, this.#call);
    if (made === "made") this.#counts.links++;
    else if (made === "kept") this.#counts.kept++;
    else this.#skip(event.below, made);
  }

  #openFolder(event: FolderEvent, isAllowed: boolean): undefined {
    const { below } = event;
    if (this.#folders.length >= DEPTH_MAX) throw this.#invalid("folders are nested too deeply");
    this.#folders.push({ event, isDenied: !isAllowed });
    if (!isAllowed) return;
    // Its owner must be able to fill it; its own mode comes when it is full.
    const created = makeFolder(this.#path(below), this.#call, event.mode | 0o700);
    this.#counts.folders++;
    if (below === "") this.#counts.created = created;
  }

  #endFolder(): undefined {
    const folder = this.#folders.pop();
    if (!folder) throw this.#invalid("a folder ends that is none");
    if (folder.isDenied) return;
    const { below, mode, modified_ns } = folder.event;
    const path = this.#path(below);
    using parent = this.#call.services.mounts.parent(path, "change");
    if (parent.name === "") return;
    using object = pinObject(parent, this.#call);
    attempt(this.#call, path, () => {
      if ((Number(object.stat.mode) & 0o777) !== mode) object.setMode(mode);
      object.setModified(modified_ns);
    });
  }

  #openFile(event: FileEvent, isAllowed: boolean): Promise<unknown> | undefined {
    if (!isAllowed) {
      this.#isPassingBy = !event.kept;
      return;
    }
    const path = this.#path(event.below);
    const isRoot = event.below === "";
    if (event.kept) {
      keepFile(path, event, this.#call);
      this.#counts.kept++;
      this.#counts.size_bytes += event.size_bytes;
      return;
    }
    const precondition = isRoot ? this.#options : {};
    const { hashed } = this.#options;
    this.#file = new ReceivedFile({ path, event, hashed, precondition }, this.#call);
    return this.#file.readPartial();
  }

  #takeData(bytes: Uint8Array): undefined {
    if (this.#file) this.#file.write(bytes);
    else if (!this.#isPassingBy) throw this.#invalid("data comes without a file");
  }

  #endFile(end: FileEndEvent): Promise<void> | undefined {
    if (this.#isPassingBy) {
      this.#isPassingBy = false;
      return undefined;
    }
    const file = this.#file;
    if (!file) throw this.#invalid("a file ends that is none");
    if (!file.commitNew(end, this.#pin)) return this.#commitFile(file, end);
    this.#file = undefined;
    return this.#countFile(file, true);
  }

  async #commitFile(file: ReceivedFile, end: FileEndEvent): Promise<void> {
    this.endTurn();
    using ended = file;
    this.#file = undefined;
    const { created } = await ended.commit(end);
    this.#countFile(ended, created);
  }

  #countFile({ event, receivedBytes }: ReceivedFile, created: boolean): undefined {
    if (event.below === "") this.#counts.created = created;
    this.#counts.files++;
    this.#counts.size_bytes += event.offset_bytes + receivedBytes;
    this.#counts.copied_bytes += receivedBytes;
  }

  /** An entry must stand right below the folder that is open: nothing is looked up that was not asked about. */
  #assertPlace({ below }: { readonly below: string }): void {
    const open = this.#folders.at(-1);
    if (!open) {
      if (this.#hasRoot || below !== "") throw this.#invalid("it has more than one root");
      this.#hasRoot = true;
      this.#assertRoot();
      return;
    }
    const slash = below.lastIndexOf("/");
    const above = slash < 0 ? "" : below.slice(0, slash);
    if (below === "" || above !== open.event.below) {
      throw this.#invalid("an entry is not in the open folder");
    }
  }

  #assertRoot(): void {
    const { to } = this.#options;
    using parent = this.#call.services.mounts.parent(to, "change");
    assertPrecondition(currentAt(parent, this.#call), this.#options, {
      path: to,
      call: this.#call,
    });
  }

  #isAllowed({ below, kind }: FolderEvent | FileEvent | LinkEvent): boolean {
    if (this.#folders.at(-1)?.isDenied) return false;
    const { accessesOf, skipDenied } = this.#options;
    const path = this.#path(below);
    const resource = this.#call.services.mounts.resourceOf(path);
    const accesses = accessesOf(resource, kind === "folder" ? "folder" : "file");
    if (accesses.every((access) => this.#call.authorize(access))) return true;
    if (!skipDenied || below === "") throw this.#call.fail("entry_denied", { path });
    this.#skip(below, "denied");
    return false;
  }

  #skip(below: string, reason: SkipReason): undefined {
    this.#counts.skipped++;
    const { skipped_entries } = this.#counts;
    if (skipped_entries.length < SKIPPED_NAMED_MAX) skipped_entries.push({ path: below, reason });
  }

  #path(below: string): string {
    return pathBelow(this.#options.to, below);
  }

  #invalid(why: string): Error {
    return this.#call.fail("stream_invalid", { why });
  }
}

function nothingYet(): Counts {
  return {
    via: "node",
    files: 0,
    folders: 0,
    links: 0,
    kept: 0,
    skipped: 0,
    skipped_entries: [],
    size_bytes: 0,
    copied_bytes: 0,
    created: false,
  };
}

/** What the sender says is there must be there; its mode and time become those of the source. */
function keepFile(path: string, event: FileEvent, call: Making): void {
  using parent = call.services.mounts.parent(path, "change");
  using object = pinObject(parent, call);
  const { stat } = object;
  if (!stat.isFile() || Number(stat.size) !== event.size_bytes)
    throw call.fail("changed", { path });
  attempt(call, path, () => {
    if ((Number(stat.mode) & 0o777) !== event.mode) object.setMode(event.mode);
    if (stat.mtimeNs !== event.modified_ns) object.setModified(event.modified_ns);
  });
}
