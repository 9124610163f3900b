// The configuration file as data: daemon, client, policy, secrets. One schema, also published as JSON Schema.
// It must never accept a key it does not know: a typo in a policy must not pass for no policy.
// Next: load.ts reads the file; policy/schema.ts has the part that decides.

import { z } from "zod";
import { NAME_LENGTH_MAX } from "../limits.ts";
import { policyShape } from "../policy/schema.ts";

const NodeId = z
  .string()
  .max(NAME_LENGTH_MAX)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "use lower case letters, digits, `.`, `_` and `-`");
const Endpoint = z
  .string()
  .max(512)
  .regex(/^wss?:\/\/[^\s/]+$/, "write ws://HOST:PORT");
const Listen = z
  .string()
  .max(300)
  .regex(
    /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/,
    "write HOST:PORT, for example 127.0.0.1:7789",
  );
const KeyId = z
  .string()
  .regex(/^ed25519:[a-z2-7]{52}$/, "write ed25519: and 52 letters and digits");

const DaemonSchema = z.strictObject({
  node_id: NodeId.default("local").describe("Name of this node; others may call it differently"),
  listen: Listen.optional().describe(
    "Address and port others connect to; nothing is opened without it",
  ),
  endpoint: Endpoint.optional().describe(
    "How others reach this node, where it differs from `listen`; invitations name it",
  ),
  advertise_lan: z.boolean().default(false).describe("Announce this node on the local network"),
  allow_origins: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe("Web origins that may connect; browsers are refused otherwise"),
  audit: z
    .strictObject({
      reads: z
        .enum(["strict", "relaxed"])
        .default("relaxed")
        .describe("Whether the entry of a read is on disk before its answer, or 10 ms later"),
    })
    .default({ reads: "relaxed" }),
});

const ClientSchema = z.strictObject({
  nodes: z
    .record(
      NodeId,
      z.strictObject({
        endpoint: Endpoint.describe("ws://HOST:PORT or wss://HOST:PORT"),
        key: KeyId.optional().describe("Key the node must have; pinned on first use when left out"),
        labels: z.record(z.string().max(64), z.string().max(256)).optional(),
      }),
    )
    .default({})
    .describe("Nodes by the names this machine uses for them"),
});

const SecretsSchema = z.strictObject({
  file: z
    .string()
    .max(4096)
    .optional()
    .describe("File of secret references, beside this one unless absolute"),
});

/**
 * The whole file.
 * @param settings schemas of the sections capabilities own under `policy`, by capability id
 */
export function configSchema(settings: Readonly<Record<string, z.ZodType>>) {
  const sections = Object.fromEntries(
    Object.entries(settings).map(([id, schema]) => [id, schema.optional()]),
  );
  return z.strictObject({
    version: z.literal(1).describe("Version of this file's format"),
    daemon: DaemonSchema.optional(),
    client: ClientSchema.optional(),
    policy: z.strictObject({ ...sections, ...policyShape }).optional(),
    secrets: SecretsSchema.optional(),
  });
}

/** A parsed configuration. `policy` also holds each capability's own section. */
export type Config = z.output<ReturnType<typeof configSchema>>;

/** The file's JSON Schema (draft 2020-12), for editors. */
export function configJsonSchema(
  settings: Readonly<Record<string, z.ZodType>>,
): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema(settings), { io: "input", unrepresentable: "any" });
  return { ...schema, title: "operon configuration" };
}
