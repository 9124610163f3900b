// The services a node is configured to offer: where each is, who else may offer it, and what a connection may take.
// It must never leave open where a service is: either the configuration says so, or who publishes it does.
// Next: schema.ts has the operations; directory.ts keeps those in force.

import { z } from "zod";
import { NAME_LENGTH_MAX } from "../../limits.ts";

/** Leaves a session, which may have 256 calls, room for others. */
const CONNECTIONS_MAX_DEFAULT = 224;
const CONNECTIONS_MAX_MOST = 1024;
const DIAL_TIMEOUT_SECS_DEFAULT = 10;
const SERVICES_MAX = 1024;
const DAY_SECS = 24 * 60 * 60;

/** Names one. */
export const ServiceId = z
  .string()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "a name of lower case letters, digits, dots, dashes")
  .describe("Service, as operon service list shows it");

const Host = z
  .string()
  .min(1)
  .max(253)
  .regex(/^([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?|[0-9a-fA-F:.]+)$/, "a name or an address")
  .describe("Where it is, as this node sees it; a name is looked up at each connection");

const Service = z
  .strictObject({
    id: ServiceId,
    host: Host.optional(),
    port: z.int().min(1).max(65_535).optional(),
    protocol: z
      .enum(["tcp", "udp", "http"])
      .default("tcp")
      .describe("http is tcp, checked by asking for check_path"),
    description: z.string().max(200).optional().describe("For people"),
    check_path: z
      .string()
      .max(2000)
      .regex(/^\/[\x21-\x7e]*$/, "a path, starting with /")
      .default("/")
      .describe("What a check of an http service asks for"),
    published_by: z
      .array(z.string().min(1).max(128))
      .min(1)
      .max(64)
      .optional()
      .describe("Principals that may offer it from their side, instead of host and port"),
    connections_max: z
      .int()
      .min(1)
      .max(CONNECTIONS_MAX_MOST)
      .default(CONNECTIONS_MAX_DEFAULT)
      .describe("Connections one principal may have at once"),
    dial_timeout_secs: z.number().positive().max(300).default(DIAL_TIMEOUT_SECS_DEFAULT),
    idle_timeout_secs: z
      .number()
      .positive()
      .max(DAY_SECS)
      .optional()
      .describe("Cut off what moves nothing for this long; default: 60 for udp, never for others"),
  })
  .refine(
    ({ host, port, published_by }) =>
      published_by
        ? host === undefined && port === undefined
        : host !== undefined && port !== undefined,
    "give host and port, or published_by alone",
  )
  .refine(
    ({ protocol, published_by }) => !(published_by && protocol === "udp"),
    "only tcp and http services can be published",
  );

/** The section `policy.services`: all a caller can ever reach through this node. */
export const settings = z
  .array(Service)
  .max(SERVICES_MAX)
  .refine(
    (services) => new Set(services.map(({ id }) => id)).size === services.length,
    "two services have the same id",
  )
  .describe("Services that may be reached through this node, and nothing else");

/** One configured service. */
export type ServiceSettings = z.output<typeof Service>;
