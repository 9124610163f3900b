// Daemons on loopback from the built executable, and a home that dials without a daemon.
// Next: site.ts ends them; command.ts runs commands as their users.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { type Home, homeAt } from "../../src/identity/home.ts";
import { createKey } from "../../src/identity/keystore.ts";
import { freePort } from "../../test/harness/free_port.ts";
import type { Site } from "./site.ts";

/** A home, its daemon if it has one, and the folder it serves. */
export interface BenchNode {
  readonly name: string;
  readonly home: Home;
  readonly workspace: string;
  readonly daemon: Subprocess | undefined;
}

/** `a` and `b` have daemons and know each other; `c` has none, and knows and may use both. */
export interface Mesh {
  readonly a: BenchNode;
  readonly b: BenchNode;
  readonly c: BenchNode;
}

/** What else a mesh has. */
export interface MeshOptions {
  /** Services every daemon offers. */
  readonly services?: readonly BenchService[];
  /** Where others find a daemon that listens at `port`, when something stands before it. */
  readonly reachedAt?: (port: number) => Promise<number>;
}

/** A service on a port of loopback. */
export interface BenchService {
  readonly id: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

interface Plan {
  readonly name: string;
  readonly home: Home;
  readonly workspace: string;
  readonly key: string;
  /** 0: has no daemon. */
  readonly port: number;
  /** Where the others dial it. */
  readonly endpointPort: number;
}

/** Starts two daemons that serve each other. */
export async function startMesh(
  site: Site,
  folderName: string,
  options: MeshOptions = {},
): Promise<Mesh> {
  const nodes = await startNodes(site, { folderName, daemons: ["a", "b"], ...options });
  const node = (name: string) => nodes.get(name) as BenchNode;
  return { a: node("a"), b: node("b"), c: node("c") };
}

/** Starts daemons that serve each other, by name; and `c`, that has none. */
export async function startNodes(
  site: Site,
  options: MeshOptions & { readonly folderName: string; readonly daemons: readonly string[] },
): Promise<ReadonlyMap<string, BenchNode>> {
  const folder = site.newFolder(options.folderName);
  const plans: Plan[] = [];
  for (const name of [...options.daemons, "c"]) {
    const home = homeAt(join(folder, name));
    const workspace = join(folder, `workspace-${name}`);
    mkdirSync(home.path, { mode: 0o700 });
    mkdirSync(workspace);
    const key = createKey(home.key_path).publicKey.id;
    const port = name === "c" ? 0 : freePort();
    const endpointPort = (await options.reachedAt?.(port)) ?? port;
    plans.push({ name, home, workspace, key, port, endpointPort });
  }
  for (const plan of plans) writeConfig(plan, plans, options.services ?? []);
  const nodes = new Map<string, BenchNode>();
  for (const { name, home, workspace, port } of plans) {
    const daemon = port === 0 ? undefined : await startDaemon(site, home.path);
    nodes.set(name, { name, home, workspace, daemon });
  }
  return nodes;
}

/** What a child of this run sees: little, so that nothing of the user's own set-up is measured. */
export function environment(home: string): Record<string, string> {
  const { PATH = "/usr/bin:/bin", HOME = "/", LANG = "C.UTF-8" } = process.env;
  return { PATH, HOME, LANG, OPERON_HOME: home, NO_COLOR: "1" };
}

function writeConfig(
  { name, home, workspace, port }: Plan,
  all: readonly Plan[],
  services: readonly BenchService[],
): void {
  const others = all.filter((other) => other.name !== name && other.port !== 0);
  const nodes = others.map(
    (other) =>
      `    ${other.name}: { endpoint: "ws://127.0.0.1:${other.endpointPort}", key: "${other.key}" }`,
  );
  const principals = all.map((one) => `    ${one.name}: { key: "${one.key}", roles: [operator] }`);
  const offers = services.map((service) =>
    JSON.stringify({ host: "127.0.0.1", ...service, connections_max: 1000 }),
  );
  const text = `version: 1
daemon:
  node_id: ${name}
${port === 0 ? "" : `  listen: "127.0.0.1:${port}"`}
client:
  nodes:
${nodes.join("\n")}
policy:
  mounts:
    - { name: workspace, at: /, path: ${JSON.stringify(workspace)} }
  exec: { roots: [/], env: { allow: [PATH, HOME, LANG] } }
  services: [${offers.join(", ")}]
  principals:
${principals.join("\n")}
  roles:
    operator:
      - allow: [node.*, capability.*, fs.*, exec.*, service.*, policy.*, audit.*, trace.*]
      - deny: [fs.*]
        on: ["fs:workspace/secrets/**"]
`;
  writeFileSync(home.config_path, text, { mode: 0o600 });
}

async function startDaemon(site: Site, home: string): Promise<Subprocess> {
  const daemon = site.track(
    Bun.spawn([site.operon, "daemon", "start"], {
      env: environment(home),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    }),
  );
  const decoder = new TextDecoder();
  let output = "";
  for await (const bytes of daemon.stdout) {
    output += decoder.decode(bytes, { stream: true });
    if (output.includes("listens on")) return daemon;
  }
  throw new Error(`A daemon ended before it listened: ${output}`);
}
