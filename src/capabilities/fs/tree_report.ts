// What a copy did, counted at the end that writes.
// It must never count what was not done.
// Next: tree_sink.ts counts; the operations of a copy answer with it.

import { z } from "zod";
import { Version } from "./fields.ts";
import { SKIP_REASONS } from "./tree_event.ts";

/** Skipped entries that are named; the rest is only counted. */
export const SKIPPED_NAMED_MAX = 100;

/** The output of a copy. */
export const CopyReportSchema = z.strictObject({
  via: z
    .enum(["node", "caller", "direct"])
    .default("node")
    .describe(
      "Which way the content went: inside one node, through the caller, or straight between nodes",
    ),
  files: z.int().min(0).describe("Files written"),
  folders: z.int().min(0).describe("Folders made or entered"),
  links: z.int().min(0).describe("Symbolic links made"),
  kept: z.int().min(0).describe("Files and links that were there already"),
  skipped: z.int().min(0).describe("Entries left out, or changed while they were read"),
  skipped_entries: z
    .array(z.strictObject({ path: z.string(), reason: z.enum(SKIP_REASONS) }))
    .max(SKIPPED_NAMED_MAX)
    .describe(`The first ${SKIPPED_NAMED_MAX} of them, below the copied path, and why`),
  size_bytes: z.int().min(0).describe("Size of all files, written or kept"),
  copied_bytes: z.int().min(0).describe("Bytes that were copied"),
  version: Version.describe("Of the copy's root"),
  created: z.boolean().describe("Whether nothing was there before"),
});

/** What a copy did. */
export type CopyReport = z.output<typeof CopyReportSchema>;
