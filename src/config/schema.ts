// The configuration as data: what `config.yaml` may hold, section by section. No I/O here.
// It must never accept a key it does not know, nor fill in authority that was not written.
// Next: load.ts reads a file by it; json_schema.ts publishes it; policy/schema.ts has the policy section.

import { z } from "zod";
import { OperonError } from "../error.ts";
import { NAME_LENGTH_MAX, PATH_BYTES_MAX } from "../limits.ts";
import { PolicyName, policyShape } from "../policy/schema.ts";
import { SecretName, SecretReference } from "../secret/reference.ts";
import { parseListenAddress } from "./listen_address.ts";

/** Schemas of the sections `policy.<id>` that capabilities own, by capability id. */
export type SettingsSchemas = Readonly<Record<string, z.ZodType>>;

const NODES_MAX = 4096;
const ORIGINS_MAX = 64;
const LABELS_MAX = 32;
const SECRETS_MAX = 1024;

const Key = z
  .string()
  .regex(
    /^ed25519:[a-z2-7]{52}$/,
    "write ed25519: and 52 characters, as operon node info shows it",
  );

const Endpoint = z
  .string()
  .max(300)
  .refine(isEndpoint, "write ws://HOST:PORT, for example ws://100.96.18.20:7789");

const Listen = z
  .string()
  .max(300)
  .refine(isListenAddress, "write HOST:PORT, for example 127.0.0.1:7789")
  .describe("Address and port to listen on; without it nobody can connect to this node");

const Origin = z
  .string()
  .max(300)
  .refine(isOrigin, "write an origin such as https://console.example, without a path or wildcard");

/** The section `daemon`: how this machine serves. */
export const DaemonSchema = z.strictObject({
  node_id: PolicyName.default("local").describe(
    "Name of this node; others may call it something else",
  ),
  listen: Listen.optional(),
  endpoint: Endpoint.optional().describe(
    "Where others reach this node, as invitations say it; by default the listen address",
  ),
  advertise_lan: z
    .boolean()
    .default(false)
    .describe("Announce name, endpoint and fingerprint on the local network; grants nothing"),
  tailscale_socket: z
    .string()
    .min(1)
    .max(PATH_BYTES_MAX)
    .startsWith("/", "write an absolute path")
    .optional()
    .describe(
      "Where tailscaled tells whose machine connected, for the condition `tailnet`; default: /var/run/tailscale/tailscaled.sock",
    ),
  allow_origins: z
    .array(Origin)
    .max(ORIGINS_MAX)
    .default([])
    .describe("Web pages that may connect; browsers are refused otherwise"),
  audit: z
    .strictObject({
      reads: z
        .enum(["strict", "relaxed"])
        .default("relaxed")
        .describe("Whether the entry of a read is on disk before its answer, or 10 ms later"),
    })
    .default({ reads: "relaxed" }),
});

/** A node this machine calls, by name. */
export const ClientNodeSchema = z.strictObject({
  endpoint: Endpoint,
  key: Key.optional().describe("Its key; without one the key of the first contact is pinned"),
  labels: z
    .record(z.string().min(1).max(NAME_LENGTH_MAX), z.string().max(256))
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`)
    .optional(),
});

const NodeName = PolicyName.refine((name) => name !== "local", "`local` always means the own node");

/** The section `client`: the nodes this machine calls. */
export const ClientSchema = z.strictObject({
  nodes: z
    .record(NodeName, ClientNodeSchema)
    .refine((nodes) => Object.keys(nodes).length <= NODES_MAX, `at most ${NODES_MAX} nodes`)
    .default({}),
  default_timeout_secs: z
    .number()
    .positive()
    .max(24 * 60 * 60)
    .optional()
    .describe("Longest time of a call that names none"),
});

/** Where secrets are kept when nothing else is said. */
export const SECRETS_FILE = "secrets.yaml";

/** The section `secrets`: where the values are that commands may ask for. Never the values themselves. */
export const SecretsSchema = z.strictObject({
  file: z
    .string()
    .min(1)
    .max(PATH_BYTES_MAX)
    .default(SECRETS_FILE)
    .describe("A file of mode 0600, relative to the configuration's folder"),
  names: z
    .record(SecretName, SecretReference)
    .refine((names) => Object.keys(names).length <= SECRETS_MAX, `at most ${SECRETS_MAX} secrets`)
    .default({})
    .describe("Secrets that are kept elsewhere, and where"),
});

/**
 * The schema of the whole file.
 * @param settings schemas of the sections capabilities own under `policy`, by capability id
 * @throws OperonError `config.settings_reserved` when a capability is called as a key of policy itself
 */
export function configSchema(settings: SettingsSchemas) {
  for (const id of Object.keys(settings)) if (Object.hasOwn(policyShape, id)) throw reserved(id);
  const sections = Object.fromEntries(
    Object.entries(settings).map(([id, schema]) => [id, schema.optional()]),
  );
  return z.strictObject({
    version: z.literal(1).describe("Version of this format"),
    daemon: DaemonSchema.optional().describe("How this machine serves; without it, it only calls"),
    client: ClientSchema.optional().describe("The nodes this machine calls"),
    policy: z
      .strictObject({ ...sections, ...policyShape })
      .optional()
      .describe("Who may do what here; without it, nobody may do anything"),
    secrets: SecretsSchema.optional(),
  });
}

/** A parsed configuration. `policy` also holds each capability's own section, parsed with its schema. */
export type Config = z.output<ReturnType<typeof configSchema>>;

function reserved(id: string): OperonError {
  return new OperonError({
    code: "config.settings_reserved",
    kind: "internal",
    message: `A capability called ${id} cannot have settings: policy.${id} means something else`,
    hint: "Rename the capability",
  });
}

function isListenAddress(text: string): boolean {
  try {
    parseListenAddress(text);
    return true;
  } catch {
    return false;
  }
}

function isEndpoint(text: string): boolean {
  if (!/^wss?:\/\/[^/\s?#@]+\/?$/i.test(text)) return false;
  return URL.canParse(text) && new URL(text).hostname !== "";
}

function isOrigin(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/\s?#@*]+$/.test(text) && URL.canParse(text);
}
