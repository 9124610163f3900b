// Operations on a single file's digest, permission bits and time, as data. No I/O here.
// It must never let a mode through that would run a file as its owner.
// Next: attribute.ts does them; schema.ts joins them with the other operations.

import { z } from "zod";
import { operation } from "../../contract/operation.ts";
import { accessesOfChange, accessesOfHash } from "./access.ts";
import { changeErrors, lookErrors } from "./errors.ts";
import { ByteCount, Mode, preconditions, Version, VirtualPath } from "./fields.ts";

const target = { node: "path", args: [{ field: "path", form: "node_path" }] } as const;

/** `hash`, `chmod` and `touch`. */
export const attributeOperations = {
  hash: operation({
    summary: "Show the SHA-256 of a file or of its beginning",
    description: "Needs the right to read the file: a digest tells whether a guess is right.",
    effect: "read",
    input: z.strictObject({
      path: VirtualPath,
      length_bytes: ByteCount.optional().describe("Only this much from its start"),
    }),
    output: z.strictObject({
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      hashed_bytes: z.int().min(0).describe("How much the digest covers"),
      size_bytes: z.int().min(0).describe("Size of the whole file"),
      version: Version,
    }),
    errors: lookErrors,
    resource: accessesOfHash,
    lifetime: "unbounded",
    cli: {
      ...target,
      flags: { length_bytes: { flag: "length" } },
      view: { kind: "line", template: "{sha256}" },
    },
    examples: [
      {
        name: "reports a missing file",
        input: { path: "/nope" },
        error: "missing",
        command: "fs hash local:/nope",
      },
      { name: "refuses a folder", input: { path: "/" }, error: "not_a_file" },
    ],
  }),
  chmod: operation({
    summary: "Change the permission bits of a file or folder",
    description: "A symbolic link is refused, never followed.",
    effect: "write",
    input: z.strictObject({
      path: VirtualPath,
      mode: Mode.describe("Permission bits in octal, e.g. 0644"),
      expected_version: preconditions.expected_version,
    }),
    output: z.strictObject({ version: Version, mode: z.string() }),
    errors: changeErrors,
    resource: accessesOfChange,
    cli: {
      node: "path",
      args: [{ field: "path", form: "node_path" }, { field: "mode" }],
      view: { kind: "none" },
    },
    examples: [
      {
        name: "reports a missing file",
        input: { path: "/nope", mode: "0644" },
        error: "missing",
        command: "fs chmod local:/nope 0644",
      },
      {
        name: "refuses the root of a mount",
        input: { path: "/", mode: "0755" },
        error: "mount_root",
      },
    ],
  }),
  touch: operation({
    summary: "Set when a file or folder changed last; make an empty file where nothing is",
    effect: "write",
    input: z.strictObject({
      path: VirtualPath,
      modified: z.iso
        .datetime({ offset: true })
        .optional()
        .describe("Time to set, e.g. 2026-01-31T12:00:00Z; default: now"),
      create: z.boolean().default(true).describe("Make an empty file where nothing is"),
    }),
    output: z.strictObject({ created: z.boolean(), version: Version }),
    errors: changeErrors,
    resource: accessesOfChange,
    cli: { ...target, view: { kind: "none" } },
    examples: [
      {
        name: "makes an empty file",
        input: { path: "/empty.txt" },
        command: "fs touch local:/empty.txt",
      },
      {
        name: "sets a time",
        input: { path: "/notes.txt", modified: "2026-01-31T12:00:00Z" },
        command: "fs touch local:/notes.txt --modified 2026-01-31T12:00:00Z",
      },
      {
        name: "reports a missing file when it may not make one",
        input: { path: "/nope", create: false },
        error: "missing",
      },
    ],
  }),
};
