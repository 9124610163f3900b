// The errors `fs` declares. Mounts raise the same codes with the path in their text.
// It must never hold a host path or file content.
// Next: failure.ts turns what the host reports into these.

import type { ErrorDeclaration } from "../../contract/operation.ts";

/** What any look at a path may end in. */
export const lookErrors = {
  missing: {
    kind: "not_found",
    message: "Nothing exists at this path",
    hint: "`operon fs list NODE:/FOLDER` shows what is there",
  },
  not_a_file: {
    kind: "failed_precondition",
    message: "There is a folder at this path, not a file",
    hint: "`operon fs list` shows what a folder holds",
  },
  not_a_folder: {
    kind: "failed_precondition",
    message: "Something on this path is not a folder",
    hint: "`operon fs stat` shows what is at a path",
  },
  symlink: {
    kind: "failed_precondition",
    message: "There is a symbolic link at this path, and links are not followed",
    hint: "Use the path the link points to",
  },
  special_file: {
    kind: "failed_precondition",
    message: "There is a pipe, socket or device at this path, not a file",
    hint: "Only ordinary files have content that can be read and written here",
  },
  escape: {
    kind: "permission_denied",
    message: "The path leads out of its mount",
    hint: "Mount the folder it leads to under a path of its own",
  },
  mount_boundary: {
    kind: "permission_denied",
    message: "The path crosses into another mount, or would move or remove one",
    hint: "Use the path of that mount; `operon policy show` lists the mounts",
  },
  mount_unknown: {
    kind: "not_found",
    message: "No mount covers this path",
    hint: "`operon policy show` lists the mounts",
  },
  mount_missing: {
    kind: "failed_precondition",
    message: "The folder of this mount does not exist on the node",
    hint: "Create it there, or correct policy.mounts",
  },
  path_invalid: {
    kind: "invalid_argument",
    message: "This is not a usable path",
    hint: "Use an absolute path without `.`, `..`, `//` or control characters, not too long",
  },
  permission: {
    kind: "permission_denied",
    message: "The user the node runs as may not do this",
    hint: "Change owner or mode of the file on the node's machine",
  },
  busy: {
    kind: "resource_exhausted",
    message: "The file is locked by another writer, or the node has too many files open",
    hint: "Try again",
  },
  io: {
    kind: "internal",
    message: "The node's disk reported an error",
    hint: "The node's own log has the details",
  },
} as const satisfies Record<string, ErrorDeclaration>;

/** What any change may end in. */
export const changeErrors = {
  ...lookErrors,
  exists: {
    kind: "already_exists",
    message: "Something is at this path already",
    hint: "Choose another path, or leave out --require-absent to replace a file",
  },
  not_empty: {
    kind: "failed_precondition",
    message: "The folder is not empty",
    hint: "`operon fs rm --recursive` removes it with everything in it",
  },
  version_mismatch: {
    kind: "failed_precondition",
    message: "The file is not in the expected version: someone else changed it",
    hint: "Read it again, apply the change to what is there now, and write with the new version",
  },
  read_only: {
    kind: "permission_denied",
    message: "The path is below a read-only mount",
    hint: "Set `read_only: false` for the mount in policy.mounts to allow changes",
  },
  moved: {
    kind: "aborted",
    message: "The folder was moved or replaced while the call ran; nothing was changed",
    hint: "Look where it is now and try again",
  },
  entry_denied: {
    kind: "permission_denied",
    message: "The folder holds something that policy does not let you change",
    hint: "`operon policy explain` shows the rule; act on the other entries one by one",
  },
  cross_mount: {
    kind: "failed_precondition",
    message: "The two paths are in different mounts or on different disks",
    hint: "Copy it, check the copy, then remove the original",
  },
  into_itself: {
    kind: "invalid_argument",
    message: "A folder cannot be moved or copied into itself",
    hint: "Choose a target outside the folder",
  },
  mount_root: {
    kind: "failed_precondition",
    message: "This path is the root of a mount",
    hint: "Only what is inside a mount can be changed",
  },
  too_large: {
    kind: "out_of_range",
    message: "The node's disk does not allow a file of this size",
    hint: "Use a smaller size",
  },
  too_deep: {
    kind: "resource_exhausted",
    message: "The folders are nested too deeply to handle in one call",
    hint: "Start with a folder further down",
  },
  changed: {
    kind: "aborted",
    message: "What an earlier copy left at the target changed since it was looked at",
    hint: "Run the copy again",
  },
  hash_mismatch: {
    kind: "data_loss",
    message: "The content that arrived is not what was sent; the target is as it was",
    hint: "Run the copy again: what an earlier copy left is not used any more",
  },
  stream_invalid: {
    kind: "invalid_argument",
    message: "What was sent is not a tree of files",
    hint: "Send what fs.send_tree gives, from its first byte to its last",
  },
  no_space: {
    kind: "resource_exhausted",
    message: "The node's disk or quota is full",
    hint: "Free space on the node and try again",
  },
} as const satisfies Record<string, ErrorDeclaration>;

/** What a search may end in. */
export const searchErrors = {
  ...lookErrors,
  pattern_invalid: {
    kind: "invalid_argument",
    message: "This is not a pattern that can be searched for",
    hint: "Use --fixed to search for the text itself",
  },
} as const satisfies Record<string, ErrorDeclaration>;

/** What watching may end in. */
export const watchErrors = {
  ...lookErrors,
  watch_limit: {
    kind: "resource_exhausted",
    message: "There are more folders than can be watched",
    hint: "Watch a folder further down, or without --recursive",
  },
  watch_unsupported: {
    kind: "unimplemented",
    message: "This node's system has no way to watch folders that is safe here",
    hint: "`operon fs find --modified-within-secs` shows what changed",
  },
} as const satisfies Record<string, ErrorDeclaration>;

/** Name of an error of `fs`. */
export type FsErrorName =
  | keyof typeof changeErrors
  | keyof typeof searchErrors
  | keyof typeof watchErrors;
