// What `capability` can do, as data: which operations this node has, and what policy would say to
// the caller.
// It must never answer about anyone but the caller; `policy.explain` is for those who administer.
// Next: handler.ts derives the answers from the registry and from policy.

import { z } from "zod";
import { DecisionSchema } from "../../contract/fields.ts";
import { operation } from "../../contract/operation.ts";

const Line = z.strictObject({
  id: z.string(),
  effect: z.enum(["read", "write", "destroy", "execute"]),
  summary: z.string(),
  /** The best the rules may answer, conditions left aside. */
  verdict: z.enum(["allow", "ask", "deny"]),
  /** Where it may be used: resource globs. */
  resources: z.array(z.string()),
  /** Where it may not, although a glob of `resources` matches. */
  except: z.array(z.string()),
});

/** The operations of `capability`. */
export const operations = {
  list: operation({
    summary: "List the operations you may use on a node",
    description:
      "Derived from the node's policy for the one who asks. Conditions of rules (arguments, time, " +
      "rate) are left aside: `capability explain` and the call itself take them into account.",
    effect: "read",
    input: z.strictObject({
      capability: z.string().max(32).optional().describe("Only operations of this capability"),
      all: z.boolean().default(false).describe("Also those you may not use"),
    }),
    output: z.strictObject({ operations: z.array(Line) }),
    resource: () => "capability:*",
    cli: {
      node: "optional",
      aliases: ["ls"],
      view: {
        kind: "table",
        columns: ["id", "effect", "verdict", "resources", "summary"],
        rows: "operations",
      },
    },
    examples: [
      { name: "lists what the caller may do", input: {}, command: "capability list local" },
    ],
  }),
  explain: operation({
    summary: "Tell what policy would decide if you did something, and why",
    effect: "read",
    input: z.strictObject({
      resource: z
        .string()
        .min(1)
        .max(4096)
        .regex(/^[a-z][a-z0-9_]*(:.*)?$/s, "a resource such as fs:workspace or exec:default")
        .describe("What it would touch, e.g. fs:workspace, exec:default, service:web"),
      action: z
        .string()
        .regex(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$/, "an action such as read or fs.read")
        .describe("What would be done: read, or fs.read"),
      path: z.string().max(4096).optional().describe("Path inside the resource"),
      timeout_secs: z.number().positive().optional().describe("As if the call asked for this long"),
      input: z
        .record(z.string(), z.unknown())
        .optional()
        .describe("The whole input of the call, so that conditions on it can be decided"),
    }),
    output: z.strictObject({
      resource: z.string(),
      capability: z.string(),
      action: z.string(),
      path: z.string().optional(),
      decision: DecisionSchema,
    }),
    errors: {
      unknown: {
        kind: "not_found",
        message: "This node has no such operation",
        hint: "`operon capability list NODE --all` shows what it has",
      },
    },
    resource: () => "capability:*",
    cli: {
      node: "argument",
      args: [{ field: "resource" }, { field: "action" }, { field: "path", optional: true }],
      view: {
        kind: "fields",
        fields: [
          "resource",
          "action",
          "path",
          "decision.verdict",
          "decision.reason",
          "decision.explanation",
        ],
      },
    },
    examples: [
      {
        name: "explains a read of the workspace",
        input: { resource: "fs:workspace", action: "read", path: "/" },
        command: "capability explain local fs:workspace read /",
      },
      {
        name: "reports an operation that does not exist",
        input: { resource: "fs:workspace", action: "levitate" },
        error: "unknown",
        command: "capability explain local fs:workspace levitate",
      },
    ],
  }),
};
