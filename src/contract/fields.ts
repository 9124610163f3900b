// Schemas of values several capabilities carry: names, decisions, errors. snake_case: they cross
// the wire.
// It must never hold a schema only one capability uses; that one belongs in the capability's
// schema.ts.
// Next: capabilities/{policy,audit,trace,capability}/schema.ts build on these.

import { z } from "zod";
import { ERROR_KINDS } from "../error.ts";
import { NAME_LENGTH_MAX } from "../limits.ts";

/** Name of a node as its caller knows it; `local` is the own node. */
export const NodeName = z
  .string()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "a name of letters, digits, dots, dashes, underscores");

/** Name of a principal in policy, or its key id. */
export const PrincipalName = z.string().min(1).max(128);

/** Id of an operation: `fs.read`. */
export const OperationId = z
  .string()
  .max(80)
  .regex(/^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/, "an operation such as fs.read");

/** W3C trace id: 32 lower-case hex digits. */
export const TraceId = z.string().regex(/^[0-9a-f]{32}$/, "32 lower-case hex digits");

/** A moment: RFC 3339 with an offset or `Z`. */
export const Moment = z.iso.datetime({ offset: true });

/** An answer of policy. */
export const VerdictSchema = z.enum(["allow", "ask", "deny"]);

/** Where a rule stands. */
export const RuleLocationSchema = z.strictObject({
  role: z.string(),
  index: z.int().min(0),
  file: z.string().optional(),
  line: z.int().optional(),
});

/** A decision as receipts, audit entries and spans keep it. */
export const DecisionSummarySchema = z.strictObject({
  verdict: VerdictSchema,
  reason: z.string(),
  rule: RuleLocationSchema.optional(),
});

/** A decision with its explanation. */
export const DecisionSchema = z.strictObject({
  ...DecisionSummarySchema.shape,
  resource: z.string().optional(),
  operation: z.string().optional(),
  explanation: z.string(),
});

/** What an error looks like outside the process. */
export const ErrorDocumentSchema = z.strictObject({
  code: z.string(),
  kind: z.enum(ERROR_KINDS),
  message: z.string(),
  hint: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
