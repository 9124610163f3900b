// What `trace` can do, as data: list the traces a node keeps and show one, or one from a file.
// It must never accept a path to read on the node: a file's text is read by the one who asks.
// Next: handler.ts asks services.traces; trace/ in the source root keeps them.

import { z } from "zod";
import { DecisionSummarySchema, ErrorDocumentSchema } from "../../contract/fields.ts";
import { operation } from "../../contract/operation.ts";

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 10_000;
const DOCUMENT_CHARS_MAX = 448 * 1024;

const Status = z.enum(["ok", "error"]);

const SpanSchema = z.strictObject({
  span_id: z.string(),
  parent_span_id: z.string().optional(),
  name: z.string(),
  node: z.string().optional(),
  node_key: z.string().optional(),
  operation: z.string().optional(),
  start: z.string(),
  duration_ms: z.number(),
  status: z.enum(["ok", "error", "skipped"]),
  input: z.unknown().optional(),
  output: z.unknown().optional(),
  logs: z
    .record(
      z.string(),
      z.strictObject({
        encoding: z.enum(["utf8", "base64"]),
        tail: z.string(),
        bytes: z.number(),
        truncated: z.boolean(),
      }),
    )
    .optional(),
  decision: DecisionSummarySchema.optional(),
  audit: z.strictObject({ sequence: z.int(), hash: z.string() }).optional(),
  error: ErrorDocumentSchema.optional(),
});

/** A trace file as text holds it. */
export const TraceSchema = z.strictObject({
  version: z.literal(1),
  trace_id: z.string(),
  run_id: z.string(),
  name: z.string(),
  status: Status,
  start: z.string(),
  duration_ms: z.number(),
  spans: z.array(SpanSchema).readonly(),
});

/** The operations of `trace`. */
export const operations = {
  list: operation({
    summary: "List the traces a node keeps, the latest first",
    effect: "read",
    input: z.strictObject({
      limit: z
        .int()
        .min(1)
        .max(LIMIT_MAX)
        .default(LIMIT_DEFAULT)
        .describe("At most this many, the latest ones"),
    }),
    output: z.strictObject({
      traces: z.array(
        z.strictObject({
          trace_id: z.string(),
          name: z.string(),
          status: Status,
          start: z.string(),
          duration_ms: z.number(),
          steps: z.int().min(0),
        }),
      ),
    }),
    resource: () => "trace:*",
    cli: {
      node: "local",
      aliases: ["ls"],
      view: {
        kind: "table",
        columns: ["trace_id", "name", "status", "steps", "duration_ms", "start"],
        rows: "traces",
      },
    },
    examples: [{ name: "lists traces", input: {}, command: "trace list" }],
  }),
  show: operation({
    summary: "Show a trace: its steps, inputs, logs and decisions",
    effect: "read",
    input: z
      .strictObject({
        trace: z.string().min(1).max(256).optional().describe("Id of a trace, or a trace file"),
        document: z.string().max(DOCUMENT_CHARS_MAX).optional().describe("Text of a trace file"),
      })
      .refine(
        ({ trace, document }) => (trace === undefined) !== (document === undefined),
        "Give either a trace id or a document",
      ),
    output: TraceSchema,
    errors: {
      missing: {
        kind: "not_found",
        message: "No trace has this id and no local file this name",
        hint: "`operon trace list` shows the traces kept here",
      },
      malformed: {
        kind: "invalid_argument",
        message: "This is not a trace file",
        hint: "Trace files are written by `operon run --trace-output FILE`",
      },
    },
    resource: ({ trace }) => `trace:${trace ?? "document"}`,
    cli: {
      node: "local",
      args: [
        {
          field: "trace",
          file_into: "document",
          completes_from: { operation: "trace.list", field: "trace_id", rows: "traces" },
        },
      ],
      flags: { document: { hidden: true } },
      view: { kind: "trace" },
    },
    examples: [
      {
        name: "reports a missing trace",
        input: { trace: "00000000000000000000000000000000" },
        error: "missing",
        command: "trace show 00000000000000000000000000000000",
      },
      { name: "refuses what is no trace", input: { document: "[]" }, error: "malformed" },
    ],
  }),
};
