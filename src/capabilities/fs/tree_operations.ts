// Operations that copy: within a node, and the two ends of a copy between nodes, as data. No I/O here.
// It must never let a tree be read or made on the strength of its root alone: every entry is asked about.
// Next: tree_transfer.ts and copy.ts do them; schema.ts joins them with the other operations.

import { z } from "zod";
import { NodeName } from "../../contract/fields.ts";
import { bytes, operation, values } from "../../contract/operation.ts";
import {
  accessesOfCopy,
  accessesOfTransfer,
  accessesOfTreeRead,
  accessesOfTreeWrite,
} from "./access.ts";
import { changeErrors } from "./errors.ts";
import { preconditions, VirtualPath } from "./fields.ts";
import { CopyReportSchema } from "./tree_report.ts";

const target = {
  node: "path",
  args: [{ field: "path", form: "node_path" }],
  hidden: true,
} as const;

const recursive = z.boolean().default(false).describe("Copy a folder with everything in it");
const skip_denied = z
  .boolean()
  .default(false)
  .describe("Leave out entries that policy denies, and say so, instead of failing");
const checksum = z
  .boolean()
  .default(false)
  .describe("Compare what is there by content, not by size and time");

const errors = {
  ...changeErrors,
  not_a_file: {
    kind: "failed_precondition",
    message: "There is a folder at this path, not a file",
    hint: "--recursive copies a folder with everything in it",
  },
  entry_denied: {
    kind: "permission_denied",
    message: "The folder holds something that policy does not let you copy",
    hint: "`operon policy explain` shows the rule; --skip-denied copies the rest",
  },
} as const;

const oneState = (input: { require_absent: boolean; expected_version?: string | undefined }) =>
  !(input.require_absent && input.expected_version !== undefined);
const ONE_STATE = "What is absent cannot have a version";

const progress = values(
  z.strictObject({ bytes: z.int().min(0).describe("Copied since the last one") }),
);

/** Longest request to hand on (characters): a path and little else. */
const HANDED_TEXT_MAX = 16_384;

/** `copy`, and what a copy between nodes is made of. */
export const treeOperations = {
  copy: operation({
    summary: "Copy a file or a folder, within a node or from node to node",
    description:
      "Every file appears whole or not at all, with the mode and time of its source. A folder is merged into one that is " +
      "there; files of the same size and time are kept, so that running it again goes on where it stopped, between nodes " +
      "also in the middle of a large file. Policy decides about every entry at both ends. Symbolic links that lead out " +
      "of the copied folder, pipes, sockets and devices are left out and reported. Between nodes every file is checked " +
      "against its SHA-256. Preconditions are about the target.",
    effect: "write",
    input: z
      .strictObject({
        path: VirtualPath,
        to: VirtualPath.describe("Path of the copy"),
        recursive,
        ...preconditions,
        skip_denied,
        checksum,
      })
      .refine(oneState, ONE_STATE),
    output: CopyReportSchema,
    errors,
    resource: accessesOfCopy,
    lifetime: "unbounded",
    cli: {
      node: "path",
      args: [
        { field: "path", form: "node_path" },
        { field: "to", form: "node_path" },
      ],
      aliases: ["cp"],
      shell: { words: ["cp"] },
      flags: { recursive: { short: "r" } },
      relay: {
        reads: "fs.send_tree",
        writes: "fs.receive_tree",
        surveys: "fs.survey_tree",
        direct: "fs.transfer",
      },
      view: {
        kind: "line",
        template:
          "{files} files and {links} links copied, {kept} kept, {skipped} skipped; " +
          "{copied_bytes} bytes, via {via}",
      },
    },
    examples: [
      {
        name: "copies a folder, also to another node",
        input: { path: "/", to: "/copy", recursive: true },
        error: "into_itself",
        command: "fs copy local:/src gpu-node:/src --recursive",
      },
      {
        name: "reports a missing source",
        input: { path: "/nope", to: "/new" },
        error: "missing",
        command: "fs copy local:/nope local:/new",
      },
    ],
  }),
  transfer: operation({
    summary: "Copy between this node and another one, for the one whose node this is",
    description:
      "Only for calls of the node itself: in any other name it would lend this node's rights at the other one.",
    effect: "write",
    input: z
      .strictObject({
        path: VirtualPath,
        to: VirtualPath,
        from_node: NodeName,
        to_node: NodeName,
        recursive,
        ...preconditions,
        skip_denied,
        checksum,
      })
      .refine(oneState, ONE_STATE),
    sends: progress,
    output: CopyReportSchema,
    errors: {
      ...errors,
      not_own: {
        kind: "permission_denied",
        message: "Only the node itself may have it copy in its name",
        hint: "`operon fs copy` then copies through the caller",
      },
    },
    resource: accessesOfTransfer,
    lifetime: "unbounded",
    cli: { node: "local", hidden: true },
    examples: [
      {
        name: "refuses to copy in another's name",
        input: { path: "/a", to: "/b", from_node: "local", to_node: "gpu-node" },
        error: "not_own",
      },
    ],
  }),
  survey_tree: operation({
    summary: "Say what a copy would find at its target",
    description: "Sizes and times of files as frames; nothing when nothing is there.",
    effect: "read",
    input: z.strictObject({ path: VirtualPath, checksum }),
    sends: bytes(),
    output: z.strictObject({}),
    errors,
    resource: ({ path }, { mounts }) =>
      accessesOfTreeRead("fs.survey_tree", false)(mounts.resourceOf(path), "folder"),
    lifetime: "unbounded",
    cli: target,
    examples: [{ name: "says nothing of what is missing", input: { path: "/nope" } }],
  }),
  send_tree: operation({
    summary: "Send a file or a folder to another node's receive_tree",
    description: "The caller's stream is the survey of the target, or empty.",
    effect: "read",
    input: z.strictObject({ path: VirtualPath, recursive, skip_denied }),
    sends: bytes(),
    receives: bytes(),
    output: z.strictObject({}),
    errors,
    resource: ({ path }, { mounts }) =>
      accessesOfTreeRead("fs.send_tree", true)(mounts.resourceOf(path), "file"),
    lifetime: "unbounded",
    cli: { ...target, receives: { stdin: "never" } },
    examples: [{ name: "reports a missing source", input: { path: "/nope" }, error: "missing" }],
  }),
  receive_tree: operation({
    summary: "Make what another node's send_tree sends",
    effect: "write",
    input: z
      .strictObject({ path: VirtualPath, ...preconditions, skip_denied })
      .refine(oneState, ONE_STATE),
    receives: bytes(),
    output: CopyReportSchema,
    errors,
    resource: ({ path }, { mounts }) =>
      accessesOfTreeWrite("fs.receive_tree")(mounts.resourceOf(path), "file"),
    lifetime: "unbounded",
    cli: target,
    examples: [
      { name: "refuses what is not a tree", input: { path: "/new" }, error: "stream_invalid" },
    ],
  }),
  fetch_tree: operation({
    summary: "Fetch a file or a folder from another node's send_tree",
    description:
      "The request to the other node is the caller's own, signed for it; this node hands it on. Nothing is fetched with " +
      "this node's rights.",
    effect: "write",
    input: z
      .strictObject({
        path: VirtualPath,
        ...preconditions,
        skip_denied,
        checksum,
        request: z
          .base64url()
          .max(HANDED_TEXT_MAX)
          .describe("The request to hand on, as PROTOCOL.md says"),
      })
      .refine(oneState, ONE_STATE),
    sends: progress,
    output: CopyReportSchema,
    errors,
    resource: ({ path }, { mounts }) => {
      const resource = mounts.resourceOf(path);
      return [{ resource }, ...accessesOfTreeWrite("fs.receive_tree")(resource, "file")];
    },
    lifetime: "unbounded",
    cli: target,
    examples: [
      {
        name: "refuses what is not a tree",
        input: { path: "/new", request: "AAAA" },
        error: "stream_invalid",
      },
    ],
  }),
};
