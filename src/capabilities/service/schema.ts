// What `service` can do, as data: reach the services a node is configured to offer, and offer one of one's own.
// It must never take a host or a port from a caller: only what the configuration names is dialled.
// Next: settings.ts is what a node is configured with; directory.ts finds a service, handler.ts joins connections with calls.

import { z } from "zod";
import { bytes, operation, values } from "../../contract/operation.ts";
import { ServiceId } from "./settings.ts";

const Line = z.strictObject({
  id: z.string(),
  protocol: z.enum(["tcp", "udp", "http"]),
  /** Where it is, as the node sees it; who offers it, when it is published. */
  target: z.string(),
  /** Whether connections have somewhere to go, as far as is known without trying. */
  available: z.boolean(),
  description: z.string().optional(),
});

const Connected = z.strictObject({
  /** From the caller to the service. */
  sent_bytes: z.int(),
  received_bytes: z.int(),
});

const Datagram = z.strictObject({
  /** One datagram. */
  data: z
    .custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength <= 65_507)
    .meta({ format: "bytes" }),
});

const PublishEvent = z.discriminatedUnion("event", [
  z.strictObject({ event: z.literal("published") }),
  z.strictObject({ event: z.literal("connection"), connection: z.string() }),
]);

const unknown = {
  kind: "not_found",
  message: "This node has no such service",
  hint: "operon service list NODE shows those it has; they are configured under policy.services",
} as const;
const wrongProtocol = {
  kind: "failed_precondition",
  message: "The service speaks another transport",
  hint: "forward and connect are for tcp and http services, forward-udp is for udp",
} as const;
const unreachable = {
  kind: "unavailable",
  message: "The service does not answer",
  hint: "operon service check NODE SERVICE tells more; see that it runs, and its host and port",
} as const;
const notPublished = {
  kind: "unavailable",
  message: "Nobody offers this service now",
  hint: "Whoever may publish it runs operon service publish NODE SERVICE --to HOST:PORT",
} as const;
const tooMany = {
  kind: "resource_exhausted",
  message: "You have as many connections to this service as you may",
  hint: "Close some, or raise connections_max of the service",
} as const;
const idle = {
  kind: "deadline_exceeded",
  message: "The connection was cut off because nothing moved",
  hint: "The service's idle_timeout_secs says for how long that may be",
} as const;
const withdrawn = {
  kind: "permission_denied",
  message: "The service was taken out of the configuration, or changed",
  hint: "operon service list NODE shows what there is now",
} as const;
const broken = {
  kind: "unavailable",
  message: "The service cut the connection off",
} as const;

const reaches = { unknown, unreachable, tooMany, idle, withdrawn, broken };

const ids = { operation: "service.list", field: "id", rows: "services" } as const;
/** A service by its id. */
const args = [{ field: "id", completes_from: ids }] as const;
/** One that takes connections. */
const connectionArgs = [
  { field: "id", completes_from: { ...ids, where: { protocol: ["tcp", "http"] } } },
] as const;
/** One that takes datagrams. */
const datagramArgs = [
  { field: "id", completes_from: { ...ids, where: { protocol: ["udp"] } } },
] as const;

/** The operations of `service`. */
export const operations = {
  list: operation({
    summary: "List the services you may reach through a node",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({ services: z.array(Line) }),
    resource: () => "service:*",
    cli: {
      node: "optional",
      aliases: ["ls"],
      view: {
        kind: "table",
        columns: ["id", "protocol", "target", "available", "description"],
        rows: "services",
      },
    },
    examples: [{ name: "lists services", input: {}, command: "service list local" }],
  }),
  check: operation({
    summary: "Try whether a service answers, from where the node is",
    description:
      "A tcp service answers when it takes a connection, an http service when it answers check_path with a status " +
      "below 500. A udp service need not answer anything: all that can be told is that its port was refused. " +
      "What is published is tried through whoever offers it. " +
      "The exit code is 0 when it answers, else 1.",
    effect: "read",
    input: z.strictObject({ id: ServiceId }),
    output: z.strictObject({
      id: z.string(),
      protocol: z.enum(["tcp", "udp", "http"]),
      target: z.string(),
      /** `unknown`: a udp service that did not refuse. */
      state: z.enum(["up", "down", "unknown"]),
      /** Of an http answer. */
      status: z.int().optional(),
      detail: z.string().optional(),
      duration_ms: z.number(),
      /** 1 when it is down. */
      exit_code: z.int(),
    }),
    errors: { unknown },
    resource: ({ id }) => `service:${id}`,
    cli: {
      node: "argument",
      args,
      exit_code: "exit_code",
      view: {
        kind: "fields",
        fields: ["id", "protocol", "target", "state", "status", "detail", "duration_ms"],
      },
    },
    examples: [
      { name: "checks a service", input: { id: "web" }, command: "service check local web" },
      {
        name: "reports a service that is not configured",
        input: { id: "no-such-service" },
        error: "unknown",
        command: "service check local no-such-service",
      },
    ],
  }),
  connect: operation({
    summary: "Connect standard input and output with a service",
    description:
      "One connection, made by the node to the host and port its configuration has for the service. Each direction " +
      "ends on its own. As an ssh ProxyCommand it reaches machines that only the node can reach.",
    effect: "execute",
    lifetime: "unbounded",
    input: z.strictObject({ id: ServiceId }),
    sends: bytes(),
    receives: bytes(),
    output: Connected,
    errors: {
      unknown: reaches.unknown,
      wrong_protocol: wrongProtocol,
      unreachable: reaches.unreachable,
      not_published: notPublished,
      too_many: reaches.tooMany,
      idle: reaches.idle,
      withdrawn: reaches.withdrawn,
      broken: reaches.broken,
    },
    resource: ({ id }) => `service:${id}`,
    cli: {
      node: "argument",
      args: connectionArgs,
      receives: { stdin: "always" },
      view: { kind: "bytes" },
      forward: {
        transport: "tcp",
        command: "forward",
        summary: "Listen here and carry every connection to a service of a node",
        description:
          "Each connection is a call of its own, decided and audited by the node. The port is on this machine alone " +
          "unless --expose is given. When the node goes away the port stays: connections are refused until it is back.",
        examples: [
          "service forward local web --listen 127.0.0.1:17789",
          "service forward gpu notebook --listen 127.0.0.1:0 --json",
        ],
      },
    },
    examples: [
      {
        name: "sends a request to a service",
        input: { id: "web" },
        command: "service connect local web",
      },
      {
        name: "refuses a service that is not configured",
        input: { id: "no-such-service" },
        error: "unknown",
        command: "service connect local no-such-service",
      },
    ],
  }),
  datagrams: operation({
    summary: "Exchange datagrams with a udp service",
    effect: "execute",
    lifetime: "unbounded",
    input: z.strictObject({ id: ServiceId }),
    sends: values(Datagram),
    receives: values(Datagram),
    output: z.strictObject({ sent_datagrams: z.int(), received_datagrams: z.int() }),
    errors: {
      unknown: reaches.unknown,
      wrong_protocol: wrongProtocol,
      unreachable: reaches.unreachable,
      too_many: reaches.tooMany,
      withdrawn: reaches.withdrawn,
    },
    resource: ({ id }) => [{ resource: `service:${id}`, as: "service.connect" }],
    cli: {
      node: "argument",
      args: datagramArgs,
      hidden: true,
      forward: {
        transport: "udp",
        command: "forward-udp",
        summary: "Listen here and carry datagrams to and from a udp service of a node",
        description:
          "Datagrams keep their boundaries. Each local address that sends has a call of its own, so that replies go back " +
          "to it; what finds no room is dropped, as on any network.",
        examples: ["service forward-udp local dns --listen 127.0.0.1:15353"],
      },
    },
    examples: [
      {
        name: "refuses a service that is not configured",
        input: { id: "no-such-service" },
        error: "unknown",
      },
    ],
  }),
  publish: operation({
    summary: "Offer a port of this machine as a service of a node, while this runs",
    description:
      "The node's configuration names the service with published_by instead of host and port, and its rules allow " +
      "service.publish on it. Whoever may connect to the service there is then carried to --to here.",
    effect: "execute",
    lifetime: "unbounded",
    input: z.strictObject({ id: ServiceId }),
    sends: values(PublishEvent),
    output: z.strictObject({ connections: z.int() }),
    errors: {
      unknown: reaches.unknown,
      not_publisher: {
        kind: "permission_denied",
        message: "You are not among those who may publish this service",
        hint: "The service's published_by in the node's configuration names them",
      },
      taken: {
        kind: "already_exists",
        message: "Somebody else offers this service already",
        hint: "Only one may offer a service at a time",
      },
      replaced: {
        kind: "aborted",
        message: "The service is offered by a later publish of yours",
      },
      withdrawn: reaches.withdrawn,
    },
    resource: ({ id }) => `service:${id}`,
    cli: {
      node: "argument",
      args,
      publish: { accepts: "service.accept" },
    },
    examples: [
      {
        name: "offers a local web server",
        input: { id: "preview" },
        command: "service publish gpu preview --to 127.0.0.1:3000",
      },
      {
        name: "refuses a service that is not configured",
        input: { id: "no-such-service" },
        error: "unknown",
        command: "service publish local no-such-service --to 127.0.0.1:3000",
      },
    ],
  }),
  accept: operation({
    summary: "Take up a connection to a service one publishes",
    effect: "execute",
    lifetime: "unbounded",
    input: z.strictObject({
      id: ServiceId,
      connection: z
        .string()
        .max(64)
        .regex(/^[0-9a-f]+$/, "a connection, as publish announced it"),
      refused: z.boolean().default(false).describe("Nothing here takes the connection"),
    }),
    sends: bytes(),
    receives: bytes(),
    output: Connected,
    errors: {
      unknown: {
        kind: "not_found",
        message: "There is no such connection waiting for you",
        hint: "It was taken up already, or whoever made it did not wait any longer",
      },
      broken: { kind: "unavailable", message: "The other end cut the connection off" },
    },
    resource: ({ id }) => [{ resource: `service:${id}`, as: "service.publish" }],
    cli: { node: "argument", hidden: true },
    examples: [
      {
        name: "refuses a connection nobody made",
        input: { id: "web", connection: "00" },
        error: "unknown",
      },
    ],
  }),
};
