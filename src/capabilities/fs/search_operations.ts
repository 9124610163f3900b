// Operations that look for files or wait for changes, as data. No I/O here.
// It must never let a search see more than listing and reading one by one would.
// Next: find.ts, grep.ts and watch.ts do them; schema.ts joins them with the other operations.

import { z } from "zod";
import { operation, values } from "../../contract/operation.ts";
import { accessesOfListing, accessesOfReading } from "./access.ts";
import { searchErrors, watchErrors } from "./errors.ts";
import { ByteCount, FileType, Stat, VirtualPath } from "./fields.ts";

const target = { node: "path", args: [{ field: "path", form: "node_path" }] } as const;

const PATTERN_LENGTH_MAX = 1000;
/** A glob is tried on every path of a tree: with the longest path it takes as long as it is. */
const NAME_LENGTH_MAX = 256;
const CONTEXT_LINES_MAX = 100;
const RESULTS_MAX = 10_000_000;
const Time = z.iso.datetime({ offset: true });

const name = z
  .string()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .optional()
  .describe("Glob: *.ts is about names, src/**/*.ts about paths below the folder");

/** A line that a search shows. */
export const GrepLine = z.strictObject({
  path: z.string(),
  line: z.int().min(1),
  kind: z.enum(["match", "context"]),
  text: z.string(),
  cut: z.boolean().describe("Whether the line goes on where the text ends"),
});

/** Something that happened below a watched folder. */
export const WatchEvent = z.strictObject({
  event: z
    .enum(["ready", "created", "changed", "removed", "overflow"])
    .describe("overflow: events were lost; list again. ready: from now on nothing is missed"),
  path: z.string(),
  type: z.enum(["file", "folder"]).optional(),
});

/** `find`, `grep` and `watch`. */
export const searchOperations = {
  find: operation({
    summary: "Find files by name, type, size and time",
    description: "Policy decides about every folder it enters, as for a recursive list.",
    effect: "read",
    input: z.strictObject({
      path: VirtualPath,
      name,
      type: FileType.optional().describe("Only what is of this type"),
      size_min_bytes: ByteCount.optional().describe("Only files of at least this size"),
      size_max_bytes: ByteCount.optional().describe("Only files of at most this size"),
      modified_after: Time.optional().describe("Only what changed at or after this time"),
      modified_before: Time.optional().describe("Only what changed before this time"),
      modified_within_secs: z
        .number()
        .min(0)
        .max(1e10)
        .optional()
        .describe("Only what changed in the last so many seconds"),
      depth_max: z.int().min(1).optional().describe("How many levels of folders to enter"),
      limit: z.int().min(1).max(RESULTS_MAX).optional().describe("Stop after this many"),
    }),
    sends: values(Stat),
    output: z.strictObject({
      found: z.int().min(0),
      truncated: z.boolean().describe("Whether the limit left some out"),
      skipped: z.int().min(0).describe("Folders that were not entered"),
    }),
    errors: searchErrors,
    resource: ({ path }, { mounts }) => accessesOfListing("fs.find")(mounts.resourceOf(path)),
    lifetime: "unbounded",
    cli: {
      ...target,
      flags: {
        size_min_bytes: { flag: "size-min" },
        size_max_bytes: { flag: "size-max" },
        name: { short: "n" },
      },
      view: { kind: "line", template: "{path}" },
    },
    examples: [
      {
        name: "finds sources that changed today",
        input: { path: "/", name: "*.ts", modified_within_secs: 86_400 },
        command: 'fs find local:/ --name "*.ts" --modified-within-secs 86400',
      },
      { name: "reports a missing folder", input: { path: "/nope" }, error: "missing" },
    ],
  }),
  grep: operation({
    summary: "Search the lines of files for a pattern",
    description:
      "Searches a file, or every file below a folder that the caller may read. Patterns are regular expressions without " +
      "look-around and back-references, so that the time of a search grows with the text only. Files with NUL bytes are " +
      "left out unless --binary is given; very long lines are searched and shown in part.",
    effect: "read",
    input: z.strictObject({
      path: VirtualPath,
      pattern: z.string().min(1).max(PATTERN_LENGTH_MAX).describe("What to look for"),
      fixed: z.boolean().default(false).describe("The pattern is a text, not an expression"),
      ignore_case: z.boolean().default(false).describe("Upper and lower case are the same"),
      name,
      before: z.int().min(0).max(CONTEXT_LINES_MAX).default(0).describe("Lines to show before"),
      after: z.int().min(0).max(CONTEXT_LINES_MAX).default(0).describe("Lines to show after"),
      files_only: z.boolean().default(false).describe("Only the first match of each file"),
      binary: z.boolean().default(false).describe("Search files with NUL bytes too"),
      limit: z
        .int()
        .min(1)
        .max(RESULTS_MAX)
        .default(10_000)
        .describe("Stop after this many matches"),
    }),
    sends: values(GrepLine),
    output: z.strictObject({
      matches: z.int().min(0),
      files: z.int().min(0).describe("Files with a match"),
      searched: z.int().min(0).describe("Files that were searched"),
      truncated: z.boolean().describe("Whether the limit left matches out"),
      skipped: z.int().min(0).describe("Files and folders the caller may not read or list"),
      binary: z.int().min(0).describe("Files left out because they hold NUL bytes"),
    }),
    errors: searchErrors,
    resource: ({ path }, { mounts }) => {
      const resource = mounts.resourceOf(path);
      return [...accessesOfReading("fs.grep")(resource), { resource, as: "fs.list" }];
    },
    lifetime: "unbounded",
    cli: {
      node: "path",
      args: [{ field: "pattern" }, { field: "path", form: "node_path" }],
      flags: {
        ignore_case: { short: "i" },
        fixed: { short: "F" },
        before: { short: "B" },
        after: { short: "A" },
        files_only: { short: "l" },
      },
      view: { kind: "line", template: "{path}:{line}: {text}" },
    },
    examples: [
      {
        name: "finds what is still to do",
        input: { path: "/", pattern: "TODO|FIXME" },
        command: 'fs grep "TODO|FIXME" local:/',
      },
      {
        name: "refuses what takes too long to match",
        input: { path: "/", pattern: "(?=a)" },
        error: "pattern_invalid",
      },
    ],
  }),
  watch: operation({
    summary: "Show what changes in a folder, as it happens",
    description:
      "Until it is cancelled, or the folder itself is gone. Nothing is told of a path the caller may not list. A rename is " +
      "a removal and a creation.",
    effect: "read",
    input: z.strictObject({
      path: VirtualPath,
      recursive: z.boolean().default(false).describe("Also in folders below it"),
    }),
    sends: values(WatchEvent),
    output: z.strictObject({ reason: z.enum(["gone"]) }),
    errors: watchErrors,
    resource: ({ path }, { mounts }) => accessesOfListing("fs.watch")(mounts.resourceOf(path)),
    lifetime: "unbounded",
    cli: {
      ...target,
      flags: { recursive: { short: "r" } },
      view: { kind: "line", template: "{event} {path}" },
    },
    examples: [
      {
        name: "reports a missing folder",
        input: { path: "/nope" },
        error: "missing",
        command: "fs watch local:/nope --recursive",
      },
    ],
  }),
};
