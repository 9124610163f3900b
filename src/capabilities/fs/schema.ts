// What `fs` can do, as data: look at, read, write and rearrange files below a node's mounts. No I/O here.
// It must never take a host path: every path is virtual, and policy sees the resource it stands for.
// Next: handler.ts for how, errors.ts for what can go wrong, access.ts for what each operation touches.

import { z } from "zod";
import { bytes, operation, values } from "../../contract/operation.ts";
import { accessesOfChange, accessesOfRename } from "./access.ts";
import { attributeOperations } from "./attribute_operations.ts";
import { changeErrors, lookErrors } from "./errors.ts";
import { ByteCount, Entry, Mode, preconditions, Stat, Version, VirtualPath } from "./fields.ts";
import { searchOperations } from "./search_operations.ts";
import { treeOperations } from "./tree_operations.ts";

const LIMIT_MAX = 10_000_000;

const target = { node: "path", args: [{ field: "path", form: "node_path" }] } as const;
const pair = {
  node: "path",
  args: [
    { field: "path", form: "node_path" },
    { field: "to", form: "node_path" },
  ],
} as const;

/** The operations of `fs`. */
export const operations = {
  stat: operation({
    summary: "Show what is at a path",
    description: "A symbolic link is described itself, never what it points to.",
    effect: "read",
    input: z.strictObject({ path: VirtualPath }),
    output: Stat,
    errors: lookErrors,
    resource: ({ path }, { mounts }) => mounts.resourceOf(path),
    cli: { ...target, view: { kind: "fields" } },
    examples: [
      { name: "describes a folder", input: { path: "/" }, command: "fs stat local:/" },
      {
        name: "reports a missing file",
        input: { path: "/nope" },
        error: "missing",
        command: "fs stat local:/nope",
      },
    ],
  }),
  list: operation({
    summary: "List a folder",
    description:
      "Up to 10,000 entries come sorted by name; a larger folder streams in the order its disk has. Names that are " +
      "not valid UTF-8 also come as base64 in name_bytes. With recursive, policy decides about every folder it enters.",
    effect: "read",
    input: z.strictObject({
      path: VirtualPath,
      recursive: z
        .boolean()
        .default(false)
        .describe("Enter folders; names are then paths below the listed one"),
      limit: z.int().min(1).max(LIMIT_MAX).optional().describe("Stop after this many entries"),
    }),
    sends: values(Entry),
    output: z.strictObject({
      entries: z.int().min(0),
      truncated: z.boolean().describe("Whether the limit left entries out"),
      skipped: z
        .int()
        .min(0)
        .describe("Folders a recursive list did not enter: denied, unreadable or too deep"),
    }),
    errors: lookErrors,
    resource: ({ path }, { mounts }) => mounts.resourceOf(path),
    cli: {
      ...target,
      aliases: ["ls"],
      shell: { words: ["ls"], part: "folder" },
      flags: { recursive: { short: "r" } },
      view: { kind: "table", columns: ["type", "mode", "size_bytes", "modified", "name"] },
    },
    examples: [
      { name: "lists the workspace", input: { path: "/" }, command: "fs list local:/" },
      { name: "reports a missing folder", input: { path: "/nope" }, error: "missing" },
    ],
  }),
  read: operation({
    summary: "Stream a file or a byte range of it",
    effect: "read",
    input: z.strictObject({
      path: VirtualPath,
      offset_bytes: ByteCount.default(0).describe("Where to start"),
      length_bytes: ByteCount.optional().describe("How much to read; default: to the end"),
    }),
    sends: bytes(),
    output: z.strictObject({
      size_bytes: z.int().min(0).describe("Size of the whole file"),
      version: Version.describe("For a later write with expected_version"),
    }),
    errors: lookErrors,
    resource: ({ path }, { mounts }) => mounts.resourceOf(path),
    cli: {
      ...target,
      aliases: ["cat"],
      shell: { words: ["cat"], part: "file_source" },
      sends: { file_flag: "output" },
      view: { kind: "bytes" },
    },
    examples: [
      {
        name: "reports a missing file",
        input: { path: "/nope" },
        error: "missing",
        command: "fs read local:/nope",
      },
      { name: "refuses a folder", input: { path: "/" }, error: "not_a_file" },
    ],
  }),
  write: operation({
    summary: "Write a file, whole or not at all",
    description:
      "The content replaces the file in one step once it is complete; an interrupted upload changes nothing. The mode " +
      "and owner of a replaced file are kept; its other hard links keep the old content.",
    effect: "write",
    input: z
      .strictObject({
        path: VirtualPath,
        ...preconditions,
        create_parents: z.boolean().default(false).describe("Make missing folders above it"),
        append: z
          .boolean()
          .default(false)
          .describe("Add to what is there; fails when somebody else changes it meanwhile"),
        mode: Mode.optional().describe("Permission bits in octal, e.g. 0755"),
        durable: z.boolean().default(false).describe("Wait until it is on the disk"),
      })
      .refine(
        (input) => !(input.require_absent && input.expected_version !== undefined),
        "A file cannot be absent and have a version",
      ),
    receives: bytes(),
    output: z.strictObject({
      size_bytes: z.int().min(0),
      version: Version,
      created: z.boolean().describe("Whether nothing was there before"),
    }),
    errors: changeErrors,
    resource: ({ path }, { mounts }) => mounts.resourceOf(path),
    cli: {
      ...target,
      receives: { text_flag: "content", file_flag: "file", stdin: "piped" },
      shell: { part: "file_sink" },
      view: { kind: "none" },
    },
    examples: [
      {
        name: "writes a file",
        input: { path: "/notes.txt" },
        command: 'fs write local:/notes.txt --content "hello"',
      },
      {
        name: "refuses to replace a version that is gone",
        input: { path: "/notes.txt", expected_version: "0-0-0-0" },
        error: "version_mismatch",
        command: 'fs write local:/notes.txt --content "hello" --expected-version 0-0-0-0',
      },
    ],
  }),
  mkdir: operation({
    summary: "Make a folder",
    effect: "write",
    input: z.strictObject({
      path: VirtualPath,
      parents: z
        .boolean()
        .default(false)
        .describe("Make missing folders above it; fine when it exists"),
    }),
    output: z.strictObject({ created: z.boolean(), version: Version }),
    errors: changeErrors,
    resource: ({ path }, { mounts }) => mounts.resourceOf(path),
    cli: {
      ...target,
      flags: { parents: { short: "p" } },
      shell: { words: ["mkdir"] },
      view: { kind: "none" },
    },
    examples: [
      {
        name: "makes a folder and those above it",
        input: { path: "/reports/2026", parents: true },
        command: "fs mkdir local:/reports/2026 --parents",
      },
      { name: "reports a missing parent", input: { path: "/no/parent" }, error: "missing" },
    ],
  }),
  rm: operation({
    summary: "Remove a file, a link or a folder",
    description:
      "A symbolic link is removed itself, never what it points to. With recursive, policy decides about every entry " +
      "before anything is removed.",
    effect: "destroy",
    input: z.strictObject({
      path: VirtualPath,
      recursive: z.boolean().default(false).describe("Remove a folder with everything in it"),
      expected_version: preconditions.expected_version,
    }),
    output: z.strictObject({ removed: z.int().min(1).describe("Files and folders removed") }),
    errors: changeErrors,
    resource: ({ path }, { mounts }) => mounts.resourceOf(path),
    cli: {
      shell: { words: ["rm"] },
      ...target,
      flags: { recursive: { short: "r" } },
      view: { kind: "none" },
    },
    examples: [
      {
        name: "reports a missing file",
        input: { path: "/nope" },
        error: "missing",
        command: "fs rm local:/nope",
      },
      { name: "refuses the root of a mount", input: { path: "/" }, error: "mount_root" },
    ],
  }),
  rename: operation({
    summary: "Rename or move a file, a link or a folder within a mount",
    description:
      "Replaces a file at the target in one step. expected_version is that of what is moved. Needs the rights to read " +
      "and remove what is moved and to write the target; for a folder, of every entry.",
    effect: "write",
    input: z.strictObject({
      path: VirtualPath,
      to: VirtualPath.describe("New path, in the same mount"),
      ...preconditions,
    }),
    output: z.strictObject({ version: Version }),
    errors: changeErrors,
    resource: accessesOfRename,
    cli: { ...pair, aliases: ["mv"], shell: { words: ["mv"] }, view: { kind: "none" } },
    examples: [
      {
        name: "reports a missing source",
        input: { path: "/nope", to: "/new" },
        error: "missing",
        command: "fs rename local:/nope local:/new",
      },
    ],
  }),
  ...treeOperations,
  truncate: operation({
    summary: "Cut or extend a file to a size",
    effect: "destroy",
    input: z.strictObject({
      path: VirtualPath,
      size_bytes: ByteCount.describe("New size; bytes beyond the old one are zero"),
      expected_version: preconditions.expected_version,
    }),
    output: z.strictObject({ size_bytes: z.int().min(0), version: Version }),
    errors: changeErrors,
    resource: accessesOfChange,
    cli: { ...target, flags: { size_bytes: { flag: "size" } }, view: { kind: "none" } },
    examples: [
      {
        name: "reports a missing file",
        input: { path: "/nope", size_bytes: 0 },
        error: "missing",
        command: "fs truncate local:/nope --size 0",
      },
    ],
  }),
  ...attributeOperations,
  ...searchOperations,
};
