// The errors of mounts, in one place, so that every one names the path and the next step.
// It must never name a host path: peers see these texts.
// Next: host_mounts.ts raises them; capabilities/fs declares the same codes.

import { type ErrorKind, OperonError } from "../../error.ts";

const ERRORS = {
  missing: ["not_found", "does not exist", "operon fs list NODE:/FOLDER shows what is there"],
  not_a_folder: [
    "failed_precondition",
    "is not a folder, or leads through something that is not",
    "operon fs stat shows what each part of the path is",
  ],
  symlink: [
    "failed_precondition",
    "leads through a symbolic link, which is not followed",
    "Use the path of the folder the link points to",
  ],
  escape: [
    "permission_denied",
    "leads out of its mount through a symbolic link",
    "Mount the folder it points to under a path of its own",
  ],
  mount_boundary: [
    "permission_denied",
    "is part of another mount",
    "Use it under the path of that mount; operon policy show lists the mounts",
  ],
  read_only: [
    "permission_denied",
    "is below a read-only mount",
    "Set read_only: false for this mount in policy.mounts to allow changes",
  ],
  permission: [
    "permission_denied",
    "is not accessible to the user the node runs as",
    "Change the owner or mode of the file on the node's machine",
  ],
  path_invalid: ["invalid_argument", "is not a usable path", "Use shorter names"],
  mount_missing: [
    "failed_precondition",
    "is in a mount whose folder does not exist on the node",
    "Create the folder, or correct policy.mounts",
  ],
  busy: [
    "resource_exhausted",
    "cannot be opened now: the node has too many files open",
    "Try again later",
  ],
  io: ["internal", "cannot be opened: the node's disk reports an error", "Check the node's disk"],
} as const satisfies Record<string, readonly [ErrorKind, string, string]>;

/** Name of an error of mounts; its code is `fs.<name>`. */
export type MountErrorName = keyof typeof ERRORS;

/** The error `fs.<name>` about a virtual path. */
export function mountError(
  name: MountErrorName,
  path: string,
  more: { readonly cause?: unknown; readonly hint?: string } = {},
): OperonError {
  const [kind, message, hint] = ERRORS[name];
  return new OperonError({
    code: `fs.${name}`,
    kind,
    message: `${JSON.stringify(path)} ${message}`,
    hint: more.hint ?? hint,
    data: { path },
    ...(more.cause === undefined ? {} : { cause: more.cause }),
  });
}

const BY_ERRNO: Readonly<Record<string, MountErrorName>> = {
  ENOENT: "missing",
  ENOTDIR: "not_a_folder",
  ELOOP: "symlink",
  EXDEV: "escape",
  boundary: "mount_boundary",
  EACCES: "permission",
  EPERM: "permission",
  EINVAL: "path_invalid",
  ENAMETOOLONG: "path_invalid",
  EMFILE: "busy",
  ENFILE: "busy",
  EROFS: "read_only",
};

/** Which error an errno stands for while a folder is opened. */
export function mountErrorOfErrno(errno: string): MountErrorName {
  return BY_ERRNO[errno] ?? "io";
}
