// What `node` can do, as data: which nodes there are, are they reachable, how two machines come to
// know each other.
// It must never return a secret, except the one-time code whose purpose is to be handed over.
// Next: handler.ts asks services.peers; node/ in the source root implements it.

import { z } from "zod";
import { NodeName } from "../../contract/fields.ts";
import { operation } from "../../contract/operation.ts";

const INVITE_SECS_DEFAULT = 600;
const INVITE_SECS_MAX = 7 * 24 * 3600;
const PINGS_MAX = 1000;
const DISCOVER_SECS_DEFAULT = 2;
const DISCOVER_SECS_MAX = 15;

const RoleName = z.string().min(1).max(64);
const Endpoint = z
  .string()
  .max(512)
  .regex(/^wss?:\/\/[^\s/]+(\/\S*)?$/, "an address such as ws://100.96.12.34:7789");

const Peer = z.strictObject({
  name: z.string(),
  key: z.string().optional(),
  endpoint: z.string().optional(),
  labels: z.record(z.string(), z.string()),
  state: z.enum(["self", "connected", "idle", "unreachable"]),
});

/** A node by its name. */
const args = [
  { field: "node", completes_from: { operation: "node.list", field: "name", rows: "nodes" } },
] as const;

/** The operations of `node`. */
export const operations = {
  list: operation({
    summary: "List the nodes this node knows",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({ nodes: z.array(Peer) }),
    resource: () => "node:*",
    cli: {
      node: "local",
      aliases: ["ls"],
      shell: { part: "nodes" },
      view: { kind: "table", columns: ["name", "state", "endpoint", "key"], rows: "nodes" },
    },
    examples: [{ name: "lists all known nodes", input: {}, command: "node list" }],
  }),
  resolve: operation({
    summary: "Show what is known about a node",
    effect: "read",
    input: z.strictObject({ node: NodeName }),
    output: Peer,
    errors: {
      unknown: {
        kind: "not_found",
        message: "No node of this name is known",
        hint: "`operon node list` shows the known ones",
      },
    },
    resource: ({ node }) => `node:${node}`,
    cli: { node: "local", args },
    examples: [
      { name: "resolves the own node", input: { node: "local" }, command: "node resolve local" },
      {
        name: "reports an unknown node",
        input: { node: "no-such-node" },
        error: "unknown",
        command: "node resolve no-such-node",
      },
    ],
  }),
  ping: operation({
    summary: "Measure the time of signed calls to a node",
    effect: "read",
    input: z.strictObject({
      node: NodeName,
      count: z.int().min(1).max(PINGS_MAX).default(3).describe("How many calls to make"),
    }),
    output: z.strictObject({
      node: z.string(),
      version: z.string(),
      round_trips_us: z.array(z.number()),
      min_us: z.number(),
      median_us: z.number(),
      p99_us: z.number().describe("99 of 100 calls were at least this fast"),
      max_us: z.number(),
      clock_offset_ms: z.number(),
    }),
    errors: {
      unknown: {
        kind: "not_found",
        message: "No node of this name is known",
        hint: "`operon node list` shows the known ones",
      },
      unreachable: {
        kind: "unavailable",
        message: "The node did not answer",
        hint: "Check that its daemon runs and its endpoint is right: `operon node resolve NAME`",
      },
    },
    resource: ({ node }) => `node:${node}`,
    cli: {
      node: "local",
      args,
      view: {
        kind: "line",
        template: "{node} {version} min {min_us} median {median_us} p99 {p99_us} max {max_us} us",
      },
    },
    examples: [
      { name: "pings the own node", input: { node: "local" }, command: "node ping local" },
      {
        name: "reports an unknown node",
        input: { node: "no-such-node" },
        error: "unknown",
        command: "node ping no-such-node",
      },
    ],
  }),
  info: operation({
    summary: "Describe a running node: its key, version and capabilities",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({
      node_id: z.string(),
      key: z.string(),
      version: z.string(),
      protocol: z.int(),
      platform: z.string(),
      started_at: z.string(),
      endpoint: z.string().optional(),
      capabilities: z.array(z.string()),
    }),
    resource: (_input, { node_id }) => `node:${node_id}`,
    cli: { node: "optional" },
    examples: [{ name: "describes the own node", input: {}, command: "node info" }],
  }),
  invite: operation({
    summary: "Make a one-time code with which another machine joins",
    description:
      "The code holds this node's address and fingerprint and a secret that works once and expires. " +
      "Run `operon node join CODE` on the other machine; both then know each other's key, and the " +
      "other one has the given roles here.",
    effect: "write",
    input: z.strictObject({
      roles: z
        .array(RoleName)
        .min(1)
        .max(16)
        .describe("Role the joining node gets here; may be given several times"),
      expires_secs: z
        .int()
        .min(1)
        .max(INVITE_SECS_MAX)
        .default(INVITE_SECS_DEFAULT)
        .describe("How long the code can be redeemed"),
      name: NodeName.optional().describe("Name for the joining node, whatever it calls itself"),
      endpoint: Endpoint.optional().describe("Address to put in the code instead of the own one"),
    }),
    output: z.strictObject({
      code: z.string(),
      expires_at: z.string(),
      fingerprint: z.string(),
      endpoint: z.string(),
    }),
    resource: () => "node:invite",
    cli: {
      node: "local",
      flags: { roles: { flag: "role" } },
      view: { kind: "line", template: "{code}" },
    },
    examples: [
      {
        name: "invites an operator for ten minutes",
        input: { roles: ["operator"] },
        command: "node invite --role operator",
      },
    ],
  }),
  join: operation({
    summary: "Redeem a code of another node: both pin each other's key",
    effect: "write",
    input: z.strictObject({
      code: z.string().min(1).max(1024),
      name: NodeName.optional().describe("Name to know the other node by"),
    }),
    output: z.strictObject({
      node: z.string(),
      key: z.string(),
      endpoint: z.string(),
      roles: z.array(z.string()),
    }),
    errors: {
      code_invalid: {
        kind: "invalid_argument",
        message: "This is not an invitation code",
        hint: "Copy the whole line that `operon node invite` printed",
      },
    },
    resource: () => "node:join",
    cli: {
      node: "local",
      args: [{ field: "code" }],
      view: { kind: "line", template: "Joined {node} ({endpoint})" },
    },
    examples: [
      {
        name: "refuses what is no code",
        input: { code: "hello" },
        error: "code_invalid",
        command: "node join hello",
      },
    ],
  }),
  redeem: operation({
    summary: "Prove knowledge of a one-time code and be known from then on",
    description: "Made by `node join` on the other machine; the key that signs the call is pinned.",
    open_to: "invited",
    effect: "write",
    input: z.strictObject({
      proof: z.string().min(1).max(1024),
      name: NodeName.optional(),
      endpoint: Endpoint.optional(),
    }),
    output: z.strictObject({ node_id: z.string(), roles: z.array(z.string()) }),
    resource: () => "node:invite",
    cli: { node: "argument", hidden: true },
  }),
  discover: operation({
    summary: "Find nodes that announce themselves on the local network; trusts none of them",
    description:
      "Listens for multicast DNS. Anybody on the network can announce anything: what is found is no node of yours until its " +
      "fingerprint has been compared with what `operon node info` shows on that machine. A name that stands for another key " +
      "here is a conflict. `--check-health` shakes hands with each node, under a key that is thrown away, and tells which " +
      "ones have the key they announce. Nodes announce themselves where `daemon.advertise_lan` is true.",
    effect: "read",
    input: z.strictObject({
      timeout_secs: z
        .number()
        .min(0.1)
        .max(DISCOVER_SECS_MAX)
        .default(DISCOVER_SECS_DEFAULT)
        .describe("How long to listen"),
      check_health: z
        .boolean()
        .default(false)
        .describe("Also ask each node whether it has the key it announces"),
    }),
    output: z.strictObject({
      nodes: z.array(
        z.strictObject({
          name: z.string(),
          key: z.string(),
          fingerprint: z.string(),
          endpoint: z.string(),
          state: z.enum(["self", "known", "new", "conflict"]),
          note: z.string(),
          health: z.enum(["answers", "other_key", "unreachable"]).optional(),
        }),
      ),
      malformed: z.int().describe("Announcements that were not in form"),
      complete: z.boolean().describe("False when more was announced than is kept"),
    }),
    resource: () => "node:*",
    cli: {
      node: "local",
      saves_nodes: { flag: "output-config", rows: "nodes" },
      view: {
        kind: "table",
        columns: ["name", "state", "health", "fingerprint", "endpoint", "note"],
        rows: "nodes",
      },
    },
    examples: [
      {
        name: "looks around for a moment",
        input: { timeout_secs: 0.1 },
        command: "node discover --timeout-secs 0.1",
      },
    ],
  }),
  forget: operation({
    summary: "Drop a node's pinned key and close its session",
    effect: "destroy",
    input: z.strictObject({ node: NodeName }),
    output: z.strictObject({ node: z.string() }),
    errors: {
      unknown: {
        kind: "not_found",
        message: "No node of this name is known",
        hint: "`operon node list` shows the known ones",
      },
      configured: {
        kind: "failed_precondition",
        message: "This node stands in the configuration, and no key was pinned for it",
        hint: "Change its key, or take the node out, under client.nodes in the configuration",
      },
    },
    resource: ({ node }) => `node:${node}`,
    cli: {
      node: "local",
      args,
      view: { kind: "line", template: "Forgot {node}" },
    },
    examples: [
      {
        name: "reports an unknown node",
        input: { node: "no-such-node" },
        error: "unknown",
        command: "node forget no-such-node",
      },
    ],
  }),
};
