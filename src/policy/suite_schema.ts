// The format of a verdict table: an optional policy and cases.
// It must never accept a key it does not know: a misspelt expectation would always pass.

import { z } from "zod";
import { PATH_BYTES_MAX } from "../limits.ts";

/** Cases of one table. */
const CASES_MAX = 5_000;

/** Longest resource (UTF-16 units): a path and what stands before it. */
const RESOURCE_LENGTH_MAX = PATH_BYTES_MAX + 256;

const Resource = z.string().min(1).max(RESOURCE_LENGTH_MAX);

const AccessSchema = z.union([
  Resource,
  z.strictObject({
    resource: Resource,
    as: z.string().min(1).optional().describe("Decide as if this operation were called"),
  }),
]);

/** One expected verdict. */
export const SuiteCaseSchema = z.strictObject({
  name: z.string().min(1).max(200),
  principal: z
    .string()
    .min(1)
    .max(200)
    .describe("Name in policy, or a key id; others are strangers"),
  via: z.string().min(1).max(200).optional().describe("The relay the request came through"),
  operation: z.string().min(1).max(80),
  input: z.record(z.string(), z.unknown()).optional().describe("Resolved to resources and facts"),
  resource: AccessSchema.optional(),
  resources: z.array(AccessSchema).min(1).max(256).optional(),
  facts: z.record(z.string(), z.unknown()).optional().describe("What conditions see, e.g. argv"),
  at: z.iso
    .datetime({ offset: true })
    .optional()
    .describe("Moment of the call; a Monday noon, UTC"),
  used: z
    .strictObject({
      calls: z.number().min(0).optional(),
      bytes: z.number().min(0).optional(),
      seconds: z.number().min(0).optional(),
    })
    .optional()
    .describe("What rates and budgets count as used already"),
  expect: z.enum(["allow", "ask", "deny"]),
  reason: z.string().min(1).max(80).optional(),
  rule: z.string().min(1).max(120).optional().describe("Name of the rule, or `role/3`, from 1"),
});

/** A table. */
export const SuiteSchema = z.strictObject({
  note: z.string().max(4000).optional(),
  policy: z.record(z.string(), z.unknown()).optional(),
  cases: z.array(SuiteCaseSchema).min(1).max(CASES_MAX),
});

/** A parsed table. */
export type SuiteDocument = z.output<typeof SuiteSchema>;
/** A parsed case. */
export type SuiteCase = z.output<typeof SuiteCaseSchema>;
