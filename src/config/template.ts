// The text of a fresh configuration, with comments that explain it. `onboard` and `init config` write it.
// It must never give anybody but the own key a role, nor listen beyond this machine unless told to.
// Next: schema.ts checks it like any other; surface/cli/onboard.ts fills it in.

import { describeReach, parseListenAddress } from "./listen_address.ts";

/** What a machine is for: to serve, to call, or both. */
export type MachineRole = "daemon" | "client" | "both";

/** What a fresh configuration says. */
export interface TemplateParts {
  readonly role: MachineRole;
  readonly nodeId: string;
  /** `HOST:PORT` */
  readonly listen: string;
  /** Host folder others see as `/`. */
  readonly workspace: string;
  /** Key of this machine, which becomes the only principal; without one there is none. */
  readonly key?: string;
  /** Every operation of the node: the roles are written from it. */
  readonly operations: readonly { readonly id: string; readonly effect: string }[];
  /** Name of the JSON Schema file beside the configuration. */
  readonly schemaFile: string;
}

/** The text of a `config.yaml`. */
export function configTemplate(parts: TemplateParts): string {
  const serves = parts.role !== "client";
  const sections = [
    header(parts),
    serves ? daemonSection(parts) : nameSection(parts),
    ...(parts.role === "daemon" ? [] : [CLIENT]),
    ...(serves ? [policySection(parts), SECRETS] : [clientPolicySection(parts)]),
  ];
  return `${sections.join("\n\n")}\n`;
}

function header({ schemaFile }: TemplateParts): string {
  return `# yaml-language-server: $schema=./${schemaFile}
#
# The configuration of this machine. Keep it private to your user (chmod 600).
#   operon config explain    what it means, who may do what, and what is wrong with it
#   operon policy explain    what policy would decide for one call
# A running daemon takes over changes at once; one that is not valid changes nothing.

version: 1`;
}

function daemonSection({ nodeId, listen }: TemplateParts): string {
  return `# How this machine serves. Without \`listen\` it opens no port.
daemon:
  node_id: ${quote(nodeId)}
  # ${listen}: ${describeReach(parseListenAddress(listen))}.
  # For other machines, write this machine's address on your private network instead.
  listen: ${quote(listen)}
  # Announcing tells the local network that this node exists; it never lets anybody in.
  advertise_lan: false`;
}

function nameSection({ nodeId }: TemplateParts): string {
  return `# What this machine calls itself. It opens no port: that would take \`listen\`.
daemon:
  node_id: ${quote(nodeId)}`;
}

const CLIENT = `# The nodes this machine calls. \`operon node join CODE\` makes them known without an entry here.
#   nodes:
#     gpu-node: { endpoint: "ws://100.96.18.20:7789", labels: { role: gpu } }
client:
  nodes: {}`;

const SECRETS = `# Secrets that commands may be given by name: never the values themselves. What \`operon secret set\` keeps is in
# secrets.yaml beside this file (mode 0600). Others are found where they are:
# secrets:
#   names:
#     DEPLOY_TOKEN: file:/run/secrets/deploy    # also env:VARIABLE, credential:NAME (systemd)
#     DB_PASSWORD: { exec: [/usr/bin/pass, show, db] }`;

/** Operations nobody is given by a template, with what a role says instead: each use is for its author to decide. */
const WITHHELD: Readonly<Record<string, string>> = {
  "secret.use": `      # Commands find a secret only where a rule names it; exec.run gives none.
      # - allow: [secret.use]
      #   on: ["secret:DEPLOY_TOKEN"]
`,
};

function policySection(parts: TemplateParts): string {
  const has = (id: string) => parts.operations.some((operation) => operation.id === id);
  const given = parts.operations.filter(({ id }) => !Object.hasOwn(WITHHELD, id));
  const withheld = Object.entries(WITHHELD).flatMap(([id, text]) => (has(id) ? [text] : []));
  return `# Who may do what here. What no rule allows is denied; deny beats ask beats allow.
policy:
  # What others see of this machine's files: the host folder \`path\` appears as \`at\`, and nothing else does.
  mounts:
    - { name: workspace, at: /, path: ${quote(parts.workspace)} }
    # - { name: data, at: /data, path: /srv/data, read_only: true }
${has("exec.run") ? `\n${EXEC}\n` : ""}
${principals(parts)}

  roles:
    # Everything this node can do, but for a few commands that cannot be undone: those ask first.
    operator:
      - allow: ${flow(patternsOf(parts.operations))}
${has("exec.run") ? ASK_DESTRUCTIVE : ""}${withheld.join("")}
    # Looks, changes nothing. Give it with: operon node invite --role observer
    observer:
      - allow:
${wrapped(given.filter(({ effect }) => effect === "read").map(({ id }) => id))}`;
}

/** Capabilities of a machine that only calls others: joining them, and looking at itself. */
const CLIENT_CAPABILITIES: readonly string[] = ["node", "capability", "policy", "audit", "trace"];

function clientPolicySection(parts: TemplateParts): string {
  const own = parts.operations.filter(({ id }) =>
    CLIENT_CAPABILITIES.some((capability) => id.startsWith(`${capability}.`)),
  );
  return `# Who may do what here. What no rule allows is denied; this machine serves no files and runs no commands.
policy:
${principals(parts)}

  roles:
    # Joins other nodes, and looks at what this one knows and did.
    operator:
      - allow: ${flow(patternsOf(own))}`;
}

const EXEC = `  # Where commands may start. This is no sandbox: a command can do whatever the user who runs the daemon can.
  exec:
    roots: [/]
    env: { allow: [PATH, HOME, LANG] }
    default_timeout_secs: 30
    max_timeout_secs: 300

  # What others may reach through this node, and nothing else: operon service forward NODE web
  # services:
  #   - { id: web, host: 127.0.0.1, port: 8080 }`;

function principals({ key, nodeId }: TemplateParts): string {
  if (key === undefined) {
    return `  # Who may ask: keys and their roles. \`operon node invite\` adds the machine that redeems its code.
  #   laptop: { key: "ed25519:…", roles: [operator] }
  #   ci: { ssh: "ssh-ed25519 AAAA… ci@build", roles: [observer] }
  principals: {}`;
  }
  return `  # Who may ask: keys and their roles. \`operon node invite\` adds the machine that redeems its code.
  principals:
    # This machine's own key, so that you can use your own node. Nobody else may do anything.
    ${quote(nodeId)}: { key: ${quote(key)}, roles: [operator] }`;
}

const ASK_DESTRUCTIVE = `      # A safety net, not a wall: a script or a renamed program gets past it. In a shell command, the mere
      # mention of one of these words asks.
      - ask: [exec.run]
        name: destructive commands
        when:
          argv:
            - [rm, "**", "-*r*", "**"]
            - [rm, "**", "-*R*", "**"]
            - [dd, "**"]
            - ["mkfs*", "**"]
            - [shred, "**"]
            - [wipefs, "**"]
            - [shutdown, "**"]
            - [reboot, "**"]
            - [poweroff, "**"]
            - [halt, "**"]
`;

/** One line for each capability, so that the list stays readable. */
function wrapped(ids: readonly string[]): string {
  const lines = capabilitiesOf(ids.map((id) => ({ id }))).map((capability) => {
    const own = ids.filter((id) => id.startsWith(`${capability}.`));
    return `            ${own.join(", ")},`;
  });
  return ["          [", ...lines, "          ]"].join("\n");
}

/** One pattern for each capability; where an operation of it is withheld, the others by name. */
function patternsOf(operations: readonly { readonly id: string }[]): readonly string[] {
  return capabilitiesOf(operations).flatMap((capability) => {
    const own = operations.map(({ id }) => id).filter((id) => id.startsWith(`${capability}.`));
    const given = own.filter((id) => !Object.hasOwn(WITHHELD, id));
    return given.length === own.length ? [`${capability}.*`] : given;
  });
}

function capabilitiesOf(operations: readonly { readonly id: string }[]): readonly string[] {
  return [...new Set(operations.map(({ id }) => id.slice(0, id.indexOf("."))))];
}

function flow(items: readonly string[]): string {
  return `[${items.join(", ")}]`;
}

/** JSON strings are YAML strings. */
function quote(text: string): string {
  return JSON.stringify(text);
}
