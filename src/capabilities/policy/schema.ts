// What `policy` can do, as data: show the rules in force, ask them, and run tables of expected
// verdicts.
// It must never change policy; its source is the configuration file.
// Next: handler.ts asks services.policy; policy/ in the source root decides.

import { z } from "zod";
import { DecisionSchema, OperationId, PrincipalName } from "../../contract/fields.ts";
import { operation } from "../../contract/operation.ts";

const TABLE_CHARS_MAX = 256 * 1024;

/** The operations of `policy`. */
export const operations = {
  show: operation({
    summary: "Show the policy in force and where each rule stands",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({ policy: z.unknown() }),
    resource: () => "policy:*",
    cli: { node: "optional" },
    examples: [{ name: "shows the own policy", input: {}, command: "policy show" }],
  }),
  test: operation({
    summary: "Run a table of expected verdicts",
    description:
      "The table is YAML: an optional `policy` and a list of `cases`. Without a policy of its own it " +
      "runs against the one in force. Nothing is done, only decided.",
    effect: "read",
    input: z.strictObject({
      table: z.string().min(1).max(TABLE_CHARS_MAX).describe("The table's text, or a local file"),
    }),
    output: z.strictObject({
      passed: z.int().min(0),
      failed: z.int().min(0),
      cases: z.array(
        z.strictObject({
          name: z.string(),
          ok: z.boolean(),
          expected: z.string(),
          actual: z.string(),
          reason: z.string(),
          rule: z.string().optional(),
        }),
      ),
      /** 0 when every case passed, else 1. */
      exit_code: z.int(),
    }),
    resource: () => "policy:*",
    cli: {
      node: "local",
      args: [{ field: "table", file_into: "table" }],
      exit_code: "exit_code",
      view: {
        kind: "table",
        columns: ["ok", "name", "expected", "actual", "reason", "rule"],
        rows: "cases",
      },
    },
    examples: [
      {
        name: "runs a table",
        input: {
          table: [
            "cases:",
            "  - name: a stranger may read nothing",
            "    principal: nobody-knows-me",
            "    operation: fs.read",
            '    resource: "fs:workspace/a.txt"',
            "    expect: deny",
          ].join("\n"),
        },
      },
    ],
  }),
  explain: operation({
    summary: "Tell what policy would decide for a principal, and which rule would",
    effect: "read",
    input: z.strictObject({
      principal: PrincipalName.describe("Name in policy, or key id"),
      operation: OperationId,
      input: z
        .record(z.string(), z.unknown())
        .default({})
        .describe("Input of the call, as one JSON object"),
    }),
    output: z.strictObject({
      principal: z.string(),
      operation: z.string(),
      decision: DecisionSchema,
    }),
    errors: {
      principal_unknown: {
        kind: "not_found",
        message: "Policy knows no principal of this name",
        hint: "`operon policy show` lists the principals",
      },
      operation_unknown: {
        kind: "not_found",
        message: "This node has no such operation",
        hint: "`operon capability list --all` lists the operations",
      },
    },
    resource: () => "policy:*",
    cli: {
      node: "argument",
      args: [{ field: "operation" }, { field: "input", optional: true }],
      view: {
        kind: "fields",
        fields: [
          "principal",
          "operation",
          "decision.verdict",
          "decision.reason",
          "decision.explanation",
        ],
      },
    },
    examples: [
      {
        name: "reports a principal that policy does not know",
        input: { principal: "nobody-knows-me", operation: "node.list", input: {} },
        error: "principal_unknown",
        command: "policy explain local --principal nobody-knows-me node.list",
      },
    ],
  }),
};
