// The `policy` section of the configuration as data: mounts, principals, roles. Capability settings are added by config/.
// It must never accept a key it does not know, nor fill in authority that was not written.
// Next: compile.ts turns a parsed document into something that decides.

import { z } from "zod";
import { NAME_LENGTH_MAX, PATH_BYTES_MAX } from "../limits.ts";
import { GLOB_LENGTH_MAX } from "./glob.ts";

/** Rules one role may have: bounds compilation and `policy show`. */
export const RULES_PER_ROLE_MAX = 10_000;

/** A local name of a principal, role or mount. */
export const PolicyName = z
  .string()
  .max(NAME_LENGTH_MAX)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "use lower case letters, digits, `.`, `_` and `-`");

/** A host folder under a virtual path. */
export const MountSchema = z.strictObject({
  name: PolicyName.describe("Name in resources: fs:<name>/path"),
  at: z.string().max(PATH_BYTES_MAX).default("/").describe("Virtual path it appears under"),
  path: z.string().min(1).max(PATH_BYTES_MAX).describe("Host folder; `~/` is the home folder"),
  read_only: z
    .boolean()
    .default(false)
    .describe("Refuse every change below it, whatever rules say"),
});

/** Who may ask: a key (exactly one of `key` and `ssh`) and its roles. */
export const PrincipalSchema = z
  .strictObject({
    key: z.string().max(128).optional().describe("ed25519:<base32>"),
    ssh: z
      .string()
      .max(1024)
      .optional()
      .describe("A line of authorized_keys: ssh-ed25519 AAAA… comment"),
    roles: z.array(PolicyName).max(64).describe("Roles this principal has"),
    note: z.string().max(1000).optional().describe("For people who read the file"),
  })
  .refine((principal) => (principal.key === undefined) !== (principal.ssh === undefined), {
    error: "a principal needs exactly one of key, ssh",
  });

const operations = z
  .array(z.string().min(1).max(80))
  .min(1)
  .max(200)
  .describe("Operations: fs.read, fs.*, or * for all");

/** A line of policy: exactly one of `allow`, `ask`, `deny`. */
export const RuleSchema = z
  .strictObject({
    allow: operations.optional(),
    ask: operations.optional(),
    deny: operations.optional(),
    on: z
      .array(z.string().min(1).max(GLOB_LENGTH_MAX))
      .min(1)
      .max(200)
      .optional()
      .describe("Resource globs, any of which must match; every resource when left out"),
    when: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        "Conditions, all of which must hold: time, rate, budget, via, and each capability's own",
      ),
    name: z.string().min(1).max(120).optional().describe("Shown where the rule decides"),
    note: z.string().max(1000).optional().describe("For people who read the file"),
  })
  .refine((rule) => [rule.allow, rule.ask, rule.deny].filter(Boolean).length === 1, {
    error: "a rule needs exactly one of allow, ask, deny",
  });

/** The keys of the `policy` section that belong to no capability; config/ extends them. */
export const policyShape = {
  mounts: z.array(MountSchema).max(256).default([]),
  principals: z.record(PolicyName, PrincipalSchema).default({}),
  roles: z.record(PolicyName, z.array(RuleSchema).max(RULES_PER_ROLE_MAX)).default({}),
};

/** The `policy` section without capability settings. */
export const PolicySchema = z.strictObject(policyShape);

/** A parsed `policy` section. */
export type PolicyDocument = z.output<typeof PolicySchema>;
/** A parsed principal. */
export type PrincipalDocument = z.output<typeof PrincipalSchema>;
/** A parsed rule. */
export type RuleDocument = z.output<typeof RuleSchema>;
