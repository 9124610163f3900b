// A tree of files as a sequence of events: what a copy reads at one end and makes at the other.
// It must never name anything above the root: every path is below it.
// Next: tree_source.ts makes them, tree_sink.ts obeys them, tree_frame.ts puts them on the wire.

/** One step of a tree, a folder before what it holds. */
export type TreeEvent =
  | FolderEvent
  | FileEvent
  | LinkEvent
  | SkippedEvent
  /** Everything below the innermost open folder has come. */
  | { readonly kind: "folder_end" }
  /** The next bytes of the file. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | FileEndEvent;

/** Where an entry stands and how it looks. */
interface EntryEvent {
  /** Path below the root, `a/b`; `""` for the root itself. */
  readonly below: string;
  /** When its content changed last (ns since the Unix epoch). */
  readonly modified_ns: bigint;
}

/** A folder; its mode and time count once everything below it is there. */
export interface FolderEvent extends EntryEvent {
  readonly kind: "folder";
  readonly mode: number;
}

/** A file; unless it is `kept`, data from `offset_bytes` on follows. */
export interface FileEvent extends EntryEvent {
  readonly kind: "file";
  readonly mode: number;
  readonly size_bytes: number;
  /** What the other end has already, in a partial file of an earlier copy. */
  readonly offset_bytes: number;
  /** The other end has all of it: only mode and time may differ. */
  readonly kept: boolean;
}

/** A symbolic link. */
export interface LinkEvent extends EntryEvent {
  readonly kind: "link";
  readonly target: string;
}

/** All of a file's bytes have come. */
export interface FileEndEvent {
  readonly kind: "file_end";
  /** Of the whole file, from its first byte; absent where nothing lies between the ends. */
  readonly sha256: string | undefined;
  /** Size it turned out to have, when it changed while it was read. */
  readonly size_bytes: number;
}

/** Something that is not copied as it is, and why. */
export interface SkippedEvent {
  readonly kind: "skipped";
  readonly below: string;
  readonly reason: SkipReason;
}

/**
 * `denied`: policy, and the caller said to go on. `special`: a pipe, socket or device. `link`: a link that leads out of the
 * tree. `name`: a name no path can hold. `changed`: copied, but it changed while it was read. `unreadable`: the host
 * refuses. `mount`: it belongs to another mount. `depth`: too deeply nested.
 */
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Every {@link SkipReason}. */
export const SKIP_REASONS = [
  "denied",
  "special",
  "link",
  "name",
  "changed",
  "unreadable",
  "mount",
  "depth",
] as const;

/**
 * Whether a link stays in the tree however often it is followed: relative, leading up no further than the root, and up
 * only at its start, where only real folders are crossed.
 */
export function staysInside(below: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
  if (!target.isWellFormed() || target.length > LINK_LENGTH_MAX) return false;
  const steps = target.split("/");
  const ups = steps.findIndex((step) => step !== "..");
  const leading = ups < 0 ? steps.length : ups;
  return !steps.slice(leading).includes("..") && leading <= below.split("/").length - 1;
}

const LINK_LENGTH_MAX = 4095;

type FileState = Pick<FileEvent, "size_bytes" | "modified_ns">;

/** Name of the partial file beside its target: of this very content, so that a newer source starts anew. */
export function partialName(name: string, file: FileState): string {
  return `${partialPrefix(name)}${stateDigest(file)}.part`;
}

/** What the names of all partial files of a target start with. */
export function partialPrefix(name: string): string {
  return `.operon-${digest(name)}`;
}

/** What a survey calls the partial file of the tree's root: the two ends know the root by different names. */
export function rootPartial(file: FileState): string {
  return `${ROOT_PARTIAL}${stateDigest(file)}.part`;
}

/** What such names start with; no entry of a tree is called so, for want of a name before it. */
export const ROOT_PARTIAL = "/root-";

function stateDigest({ size_bytes, modified_ns }: FileState): string {
  return digest(`${size_bytes} ${modified_ns}`);
}

function digest(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 16);
}

/** Whether a name is one that copies and uploads give to what is not complete yet. */
export function isIncomplete(name: string): boolean {
  return INCOMPLETE.test(name);
}

const INCOMPLETE = /^\.operon-[0-9a-f]{32}\.(part|tmp)$/;

/** From this size on (bytes) a copy that breaks off leaves what it has, to go on there. */
export const PARTIAL_BYTES_MIN = 4 * 1024 * 1024;
