// What `audit` can do, as data: read the log, follow it, verify its chain.
// It must never write to the log or offer a way to shorten it.
// Next: handler.ts asks services.audit; audit/ in the source root keeps the log.

import { z } from "zod";
import { DecisionSummarySchema, Moment } from "../../contract/fields.ts";
import { operation, values } from "../../contract/operation.ts";

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 100_000;

const Event = z.enum([
  "decided",
  "finished",
  "started",
  "stopped",
  "repaired",
  "policy_loaded",
  "policy_refused",
  "rolled_back",
  "rejected",
]);

const filters = {
  event: Event.optional().describe("Only entries of this kind"),
  capability: z.string().max(32).optional().describe("Only its operations, e.g. fs"),
  action: z.string().max(80).optional().describe("Operation, or its last part: fs.read or read"),
  allowed: z.boolean().optional().describe("Only calls that were allowed, or only refused ones"),
  resource: z.string().max(4096).optional().describe("Part of a resource"),
  principal: z.string().max(128).optional().describe("Name or key id of who asked"),
  trace_id: z.string().max(64).optional().describe("Only calls of this workflow run"),
  since: Moment.optional().describe("RFC 3339, e.g. 2026-01-31T08:00:00Z"),
  until: Moment.optional().describe("RFC 3339"),
};

const limit = z
  .int()
  .min(1)
  .max(LIMIT_MAX)
  .default(LIMIT_DEFAULT)
  .describe("At most this many, the latest ones");

/** An audit entry on the wire: the same fields as on disk. */
export const EntrySchema = z.strictObject({
  sequence: z.int().min(0),
  time: z.string(),
  prev: z.string(),
  event: Event,
  call: z.string().optional(),
  principal: z.string().optional(),
  principal_name: z.string().optional(),
  via: z.string().optional(),
  operation: z.string().optional(),
  resources: z.array(z.string()).readonly().optional(),
  facts: z.record(z.string(), z.unknown()).optional(),
  decision: DecisionSummarySchema.optional(),
  request: z
    .strictObject({
      digest: z.string(),
      batch: z.string(),
      time_ms: z.number(),
      count: z.int(),
      index: z.int(),
      root: z.string(),
      path: z.array(z.string()).readonly(),
      signature: z.string(),
    })
    .optional(),
  trace_id: z.string().optional(),
  span_id: z.string().optional(),
  run_id: z.string().optional(),
  step_id: z.string().optional(),
  outcome: z
    .strictObject({
      ok: z.boolean(),
      code: z.string().optional(),
      exit_code: z.int().optional(),
      duration_ms: z.number(),
      bytes_in: z.number().optional(),
      bytes_out: z.number().optional(),
    })
    .optional(),
  detail: z.string().optional(),
  cut: z.literal(true).optional(),
});

const view = {
  kind: "table",
  columns: [
    "sequence",
    "time",
    "event",
    "principal_name",
    "operation",
    "decision.verdict",
    "outcome.ok",
    "resources",
  ],
} as const;

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));

/** A signed head of an audit log, as PROTOCOL.md says. */
const CheckpointSchema = z.strictObject({
  size: z.int().min(0),
  root: hex(32),
  last: hex(32),
  time: Moment,
  key: hex(32),
  signature: hex(64),
});

/** The operations of `audit`. */
export const operations = {
  list: operation({
    summary: "List audit entries, the latest last",
    effect: "read",
    input: z.strictObject({ ...filters, limit }),
    sends: values(EntrySchema),
    output: z.strictObject({ entries: z.int().min(0) }),
    resource: () => "audit:*",
    cli: { node: "optional", aliases: ["ls"], view },
    examples: [
      { name: "lists entries", input: {}, command: "audit list local" },
      {
        name: "lists refused calls",
        input: { allowed: false, limit: 10 },
        command: "audit list local --limit 10 --allowed false",
      },
    ],
  }),
  show: operation({
    summary: "Show one audit entry, or those that match",
    effect: "read",
    input: z.strictObject({
      sequence: z.int().min(0).optional().describe("Number of the entry; without it, as list"),
      ...filters,
      limit,
    }),
    sends: values(EntrySchema),
    output: z.strictObject({ entries: z.int().min(0) }),
    errors: {
      missing: {
        kind: "not_found",
        message: "No audit entry has this number",
        hint: "`operon audit list NODE` shows the latest ones",
      },
    },
    resource: () => "audit:*",
    cli: { node: "argument", args: [{ field: "sequence", optional: true }], view },
    examples: [
      { name: "shows the first entry", input: { sequence: 0 }, command: "audit show local 0" },
      {
        name: "reports a missing entry",
        input: { sequence: 900_000_000 },
        error: "missing",
        command: "audit show local 900000000",
      },
    ],
  }),
  follow: operation({
    summary: "Show audit entries as they are written",
    effect: "read",
    lifetime: "unbounded",
    input: z.strictObject(filters),
    sends: values(EntrySchema),
    output: z.strictObject({ entries: z.int().min(0) }),
    resource: () => "audit:*",
    cli: { node: "optional", view },
  }),
  verify: operation({
    summary: "Check the chain of the audit log and name what was changed",
    audited: "unless_broken",
    effect: "read",
    lifetime: "unbounded",
    input: z.strictObject({
      proofs: z
        .boolean()
        .default(false)
        .describe("Also check that the callers' own keys signed what is recorded"),
    }),
    output: z.strictObject({
      ok: z.boolean(),
      entries: z.int().min(0),
      checkpoints: z.int().min(0),
      proved: z.int().min(0).optional(),
      last: z.strictObject({ sequence: z.int(), hash: z.string() }).optional(),
      problems: z.array(
        z.strictObject({
          kind: z.enum([
            "edited",
            "removed",
            "reordered",
            "truncated",
            "torn",
            "checkpoint_invalid",
            "segment_missing",
            "unreadable",
            "unproved",
          ]),
          sequence: z.int(),
          file: z.string().optional(),
          line: z.int().optional(),
          message: z.string(),
        }),
      ),
      /** 0 when nothing is wrong, else 1. */
      exit_code: z.int(),
    }),
    resource: () => "audit:*",
    cli: {
      node: "optional",
      exit_code: "exit_code",
      view: {
        kind: "fields",
        fields: [
          "ok",
          "entries",
          "checkpoints",
          "proved",
          "last.sequence",
          "last.hash",
          "problems",
        ],
      },
    },
    examples: [
      { name: "verifies the own log", input: {}, command: "audit verify" },
      {
        name: "checks also who asked",
        input: { proofs: true },
        command: "audit verify --proofs",
      },
    ],
  }),
  witness: operation({
    summary: "Keep a checkpoint of the caller's audit log, and say which one was kept before",
    description:
      "Nodes that know each other do this by themselves: one whose disk was put back to an older state learns of it.",
    effect: "write",
    input: z.strictObject({ checkpoint: CheckpointSchema }),
    output: z.strictObject({
      held: CheckpointSchema.optional().describe("The newest one that was kept already"),
    }),
    errors: {
      not_own: {
        kind: "permission_denied",
        message: "A checkpoint is kept for the node alone whose log it is of",
        hint: "The caller's own audit folder has its checkpoints",
      },
    },
    resource: () => "audit:checkpoints",
    cli: { node: "argument", hidden: true },
    examples: [
      {
        name: "refuses that of another node",
        input: {
          checkpoint: {
            size: 0,
            root: "00".repeat(32),
            last: "00".repeat(32),
            time: "2026-01-31T08:00:00Z",
            key: "00".repeat(32),
            signature: "00".repeat(64),
          },
        },
        error: "not_own",
      },
    ],
  }),
};
