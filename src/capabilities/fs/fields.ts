// Fields that several operations of `fs` share. snake_case: they cross the wire.
// It must never check a path's spelling: policy/virtual_path.ts alone says what a path may be.
// Next: schema.ts uses them.

import { z } from "zod";
import { PATH_BYTES_MAX } from "../../limits.ts";

/** Absolute path as the node's mounts show it. */
export const VirtualPath = z
  .string()
  .min(1)
  .max(PATH_BYTES_MAX)
  .describe("Path on the node, e.g. /src/a.ts");

/** Opaque state of a file or folder: it differs after every change. Compare for equality only. */
export const Version = z.string().min(1).max(128);

/** What is at a path. */
export const FileType = z.enum(["file", "folder", "symlink", "special"]);

/** Permission bits to give a file; never those that would run it as its owner. */
export const Mode = z.string().regex(/^0?[0-7]{3}$/, "permission bits in octal, e.g. 0644");

const described = {
  type: FileType,
  size_bytes: z.int().min(0),
  modified: z.iso.datetime().describe("When the content changed last"),
  mode: z
    .string()
    .regex(/^[0-7]{4}$/)
    .describe("Permission bits in octal"),
  version: Version,
};

/** A path and what is there. */
export const Stat = z.strictObject({ path: z.string(), ...described });

/** A name in a folder and what it names; `name_bytes` (base64) when the name is not valid UTF-8. */
export const Entry = z.strictObject({
  name: z.string(),
  name_bytes: z.base64().optional(),
  ...described,
});

/** A place in a file (bytes); 1 PiB is more than any disk gives one file. */
export const ByteCount = z
  .int()
  .min(0)
  .max(2 ** 50);

/** The state a target must have for the operation to happen. */
export const preconditions = {
  expected_version: Version.optional().describe("Only if the file still has this version"),
  require_absent: z.boolean().default(false).describe("Only if nothing is there yet"),
};
