// Turns what the host reports (errno) into the errors `fs` declares.
// It must never let a host path out: the host's own text stays in `cause`.
// Next: errors.ts for the declarations.

import { OperonError } from "../../error.ts";
import type { FsErrorName } from "./errors.ts";

/** The part of a call that raises declared errors. */
export interface Failing {
  fail(name: FsErrorName, data?: Readonly<Record<string, unknown>>, cause?: unknown): OperonError;
}

const BY_ERRNO: Readonly<Record<string, FsErrorName>> = {
  ENOENT: "missing",
  EEXIST: "exists",
  ENOTDIR: "not_a_folder",
  EISDIR: "not_a_file",
  ENOTEMPTY: "not_empty",
  ELOOP: "symlink",
  ENXIO: "special_file",
  EAGAIN: "special_file",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "read_only",
  ENOSPC: "no_space",
  EDQUOT: "no_space",
  EFBIG: "too_large",
  EXDEV: "cross_mount",
  EBUSY: "mount_boundary",
  ETXTBSY: "busy",
  EMFILE: "busy",
  ENFILE: "busy",
  ENAMETOOLONG: "path_invalid",
};

/** Runs one step of I/O; what the host refuses becomes the declared error about `path`. */
export function attempt<Result>(call: Failing, path: string, step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    throw failureOf(call, path, error);
  }
}

/** The declared error for something thrown by the host; anything else is returned as it is. */
export function failureOf(call: Failing, path: string, error: unknown): unknown {
  if (error instanceof OperonError) return error;
  const errno = (error as NodeJS.ErrnoException | undefined)?.code;
  if (typeof errno !== "string" || !/^E[A-Z0-9]+$/.test(errno)) return error;
  return call.fail(BY_ERRNO[errno] ?? "io", { path }, error);
}
