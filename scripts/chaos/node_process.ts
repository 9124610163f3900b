// A real node for chaos: a home, a workspace, and a daemon process that is started, killed and started again.
// It must never help the daemon: what a crash left is what the next start finds.
// Next: load.ts gives it work, verdict.ts judges what is left.

import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import type { Caller } from "../../src/contract/caller.ts";
import { type Home, homeAt } from "../../src/identity/home.ts";
import type { KeyPair } from "../../src/identity/key.ts";
import { createKey } from "../../src/identity/keystore.ts";
import { connectLocal } from "../../src/node/local_caller.ts";
import { must } from "./world.ts";

/** How a node differs from others. */
export interface NodeOptions {
  readonly name: string;
  /** Holds home and workspace; made when it is missing. */
  readonly folder: string;
  readonly executable: string;
  /** `host:port` */
  readonly listen: string;
  /** Words before the executable, e.g. those that enter a network namespace. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What a configuration may hold beside friends. */
export interface More {
  /** YAML of one service each. */
  readonly services?: readonly string[];
  /** Keys that may do everything here, of nobody this node calls. */
  readonly guests?: readonly { readonly name: string; readonly id: string }[];
}

/** Longest time a start may take on a busy machine (ms). */
const READY_MS = 15_000;
const STOP_MS = 15_000;

/** One node's files and its process. */
export class NodeProcess implements AsyncDisposable {
  readonly options: NodeOptions;
  readonly home: Home;
  readonly workspace: string;
  readonly key: KeyPair;
  #process: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
  #said: Promise<string> = Promise.resolve("");

  constructor(options: NodeOptions) {
    this.options = options;
    this.home = homeAt(join(options.folder, "home"));
    this.workspace = join(options.folder, "workspace");
    mkdirSync(this.home.path, { recursive: true, mode: 0o700 });
    mkdirSync(this.workspace, { recursive: true });
    this.key = createKey(this.home.key_path);
    this.configure();
  }

  get name(): string {
    return this.options.name;
  }

  get id(): string {
    return this.key.publicKey.id;
  }

  get endpoint(): string {
    return `ws://${this.options.listen}`;
  }

  /** The running daemon. */
  get pid(): number {
    must(this.#process !== undefined, `${this.name} does not run`);
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null;
  }

  /** Writes the configuration: `friends` may do everything here, and this node calls them by name. */
  configure(friends: readonly NodeProcess[] = [], { services = [], guests = [] }: More = {}): void {
    const principal = (name: string, key: string) =>
      `    ${name}: { key: "${key}", roles: [operator] }`;
    const nodes = friends.map(
      (friend) => `    ${friend.name}: { endpoint: "${friend.endpoint}", key: "${friend.id}" }`,
    );
    const text = `version: 1
daemon: { node_id: ${this.name}, listen: "${this.options.listen}" }
client:
  nodes:${nodes.length > 0 ? `\n${nodes.join("\n")}` : " {}"}
policy:
  mounts:
    - { name: workspace, at: /, path: ${this.workspace} }
  exec: { roots: [/], env: { allow: [PATH, HOME, LANG] } }
  services: [${services.join(", ")}]
  principals:
${principal("own", this.id)}
${[...friends, ...guests].map(({ name, id }) => principal(name, id)).join("\n")}
  roles:
    operator:
      - allow: [node.*, capability.*, fs.*, exec.*, service.*, policy.*, audit.*, trace.*]
`;
    writeFileSync(this.home.config_path, text, { mode: 0o600 });
  }

  /** Starts the daemon; resolves when it serves, with the time that took (ms). */
  async start(): Promise<number> {
    const startMs = performance.now();
    const process = this.spawn();
    const ready = await Promise.race([firstLine(process.stdout), Bun.sleep(READY_MS)]);
    if (ready?.includes('"ready"')) return performance.now() - startMs;
    process.kill("SIGKILL");
    await process.exited;
    throw new Error(
      `${this.name} does not start: ${(await this.#said).trim() || "it says nothing"}`,
    );
  }

  /** Starts the daemon without waiting for it. */
  spawn(): Bun.Subprocess<"ignore", "pipe", "pipe"> {
    const { executable, prefix = [], env = {}, folder } = this.options;
    this.#process = Bun.spawn([...prefix, executable, "daemon", "start", "--json"], {
      env: { PATH: Bun.env.PATH ?? "", HOME: folder, OPERON_HOME: this.home.path, ...env },
      cwd: folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#said = new Response(this.#process.stderr).text();
    return this.#process;
  }

  /** SIGKILL: no warning, no clean-up. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  /** SIGTERM; gives what the daemon said and its exit code. */
  async stop(): Promise<{ readonly code: number; readonly said: string }> {
    must(this.#process !== undefined, `${this.name} does not run`);
    this.#process.kill("SIGTERM");
    const code = await Promise.race([this.#process.exited, Bun.sleep(STOP_MS)]);
    must(code !== undefined, `${this.name} does not stop on SIGTERM`);
    return { code, said: await this.#said };
  }

  /** Waits for a daemon that ends by itself. */
  async ended(): Promise<{ readonly code: number; readonly said: string }> {
    must(this.#process !== undefined, `${this.name} does not run`);
    return { code: await this.#process.exited, said: await this.#said };
  }

  /** Calls as the home's owner does, or as whoever has the key: over the local socket. */
  caller(identity?: KeyPair): Promise<Caller> {
    const { socket_path } = this.home;
    return connectLocal({
      socketPath: socket_path,
      clock: systemClock,
      software: "chaos",
      identity,
    });
  }

  /** Runs the executable with this node's home. */
  async run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const process = this.command(...args);
    const [out, err, code] = await Promise.all([
      new Response(process.stdout).text(),
      new Response(process.stderr).text(),
      process.exited,
    ]);
    return { code, out, err };
  }

  /** Starts the executable with this node's home, for as long as it stays. */
  command(...args: string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
    const { executable, folder } = this.options;
    return Bun.spawn([executable, ...args], {
      env: { PATH: Bun.env.PATH ?? "", HOME: folder, OPERON_HOME: this.home.path, NO_COLOR: "1" },
      cwd: folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** What the daemon has open, each thing once and without its number. */
  descriptors(): readonly string[] {
    const folder = `/proc/${this.pid}/fd`;
    const targets = readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(`${folder}/${fd}`)];
      } catch {
        return [];
      }
    });
    return [...new Set(targets)].map((target) => target.replace(/\d+/g, "N"));
  }

  /** Process ids of what the daemon started and has not seen end. */
  children(): readonly string[] {
    const folder = `/proc/${this.pid}/task`;
    return readdirSync(folder).flatMap((thread) => {
      try {
        return readFileSync(`${folder}/${thread}/children`, "latin1").split(" ").filter(Boolean);
      } catch {
        return [];
      }
    });
  }

  /** Memory of the daemon that is in use (bytes). */
  residentBytes(): number {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"));
    return Number(line?.[1] ?? 0) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** What a program that stays says first; the rest is left to others. */
export async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  reader.releaseLock();
  return text;
}
