// Real nodes on loopback for tests: homes with keys and configurations of their own, daemons in this process, real sockets.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtin } from "../../src/builtin.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Caller, CallOptions, CallReceipt, Chunk } from "../../src/contract/caller.ts";
import type { AnyCapability } from "../../src/contract/capability.ts";
import { Registry } from "../../src/contract/registry.ts";
import { OperonError } from "../../src/error.ts";
import { type Home, homeAt } from "../../src/identity/home.ts";
import type { KeyPair } from "../../src/identity/key.ts";
import { createKey } from "../../src/identity/keystore.ts";
import { type DaemonReady, runDaemon } from "../../src/node/daemon.ts";
import { connectLocal } from "../../src/node/local_caller.ts";
import { Node } from "../../src/node/node.ts";

/** How a test node differs from a plain one. */
export interface TestNodeOptions {
  readonly name: string;
  /** YAML of the sections after `policy: mounts`, indented by two: exec, principals, roles. */
  readonly policy?: (own: string) => string;
  /** YAML of more settings of `policy: exec`, e.g. `session: { record: true }`. */
  readonly exec?: string;
  /** YAML of `client: nodes`, indented by four. */
  readonly nodes?: string;
  readonly daemon?: string;
  /** Default: a free port. */
  readonly listen?: string;
  readonly clock?: Clock;
  readonly capabilities?: readonly AnyCapability[];
}

/** A home with a key, a workspace and a configuration. */
export class TestHome implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "operon-test-"));
  readonly home: Home = homeAt(join(this.folder, "home"));
  readonly workspace = join(this.folder, "workspace");
  readonly key: KeyPair;
  readonly options: TestNodeOptions;

  constructor(options: TestNodeOptions) {
    this.options = options;
    mkdirSync(this.home.path, { mode: 0o700 });
    mkdirSync(this.workspace);
    this.key = createKey(this.home.key_path);
    this.configure(options);
  }

  get id(): string {
    return this.key.publicKey.id;
  }

  /** Writes the configuration anew. */
  configure({
    name,
    policy = operatorPolicy,
    exec = "",
    nodes = "",
    daemon = "",
    listen = "127.0.0.1:0",
  }: TestNodeOptions): void {
    const text = `version: 1
daemon:
  node_id: ${name}
  listen: "${listen}"
${daemon}
client:
  nodes: {${nodes}}
policy:
  mounts:
    - { name: workspace, at: /, path: ${this.workspace} }
  exec: { roots: [/], env: { allow: [PATH, HOME, LANG] }, ${exec} }
${policy(this.id)}
`;
    writeFileSync(this.home.config_path, text, { mode: 0o600 });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Everything but `secrets/`, for the node's own key and the keys given. */
export function operatorPolicy(own: string, ...others: readonly string[]): string {
  const principals = [own, ...others].map(
    (key, index) => `    p${index}: { key: "${key}", roles: [operator] }`,
  );
  return `  principals:
${principals.join("\n")}
  roles:
    operator:
      - allow: [node.*, capability.*, fs.*, exec.*, policy.*, audit.*, trace.*]
      - deny: [fs.*]
        on: ["fs:workspace/secrets/**"]`;
}

/** A running daemon in this process. */
export class TestNode implements AsyncDisposable {
  readonly test: TestHome;
  readonly facts: DaemonReady;
  readonly notices: string[];
  readonly #stop: AbortController;
  readonly #running: Promise<void>;
  #caller: Caller | undefined;

  private constructor(parts: {
    test: TestHome;
    facts: DaemonReady;
    notices: string[];
    stop: AbortController;
    running: Promise<void>;
  }) {
    this.test = parts.test;
    this.facts = parts.facts;
    this.notices = parts.notices;
    this.#stop = parts.stop;
    this.#running = parts.running;
  }

  static async start(options: TestNodeOptions | TestHome): Promise<TestNode> {
    const test = options instanceof TestHome ? options : new TestHome(options);
    const stop = new AbortController();
    const notices: string[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<DaemonReady>();
    const running = runDaemon(
      {
        home: test.home,
        configPath: test.home.config_path,
        key: test.key,
        registry: new Registry(test.options.capabilities ?? Object.values(builtin)),
        clock: test.options.clock ?? systemClock,
        version: "0.0.0-test",
        notice: (text) => notices.push(text),
      },
      { signal: stop.signal, ready: resolve },
    );
    running.catch(reject);
    return new TestNode({ test, facts: await promise, notices, stop, running });
  }

  /** Address others dial. */
  get endpoint(): string {
    return this.facts.endpoint as string;
  }

  get port(): number {
    return Number(new URL(this.endpoint).port);
  }

  /** Calls as the home's owner does: over the local socket. */
  async caller(identity?: KeyPair): Promise<Caller> {
    const make = () =>
      connectLocal({
        socketPath: this.test.home.socket_path,
        clock: systemClock,
        software: "test",
        identity,
      });
    if (identity) return make();
    this.#caller ??= await make();
    return this.#caller;
  }

  /** One call to the end. */
  async call(
    node: string,
    operation: string,
    input: unknown,
    options: CallOptions = {},
  ): Promise<CallResult> {
    return collect(await this.caller(), { node, operation, input, options });
  }

  /** Stops the daemon and keeps the home. */
  async stop(): Promise<void> {
    await this.#caller?.[Symbol.asyncDispose]();
    this.#caller = undefined;
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.test[Symbol.dispose]();
  }
}

/** The node of a home, without a daemon around it. */
export function openNode({ home, key }: TestHome): Promise<Node> {
  return Node.open({
    home,
    configPath: home.config_path,
    key,
    registry: new Registry(Object.values(builtin)),
    clock: systemClock,
    version: "test",
    notice: () => {},
  });
}

/** What a call came to. */
export interface CallResult {
  readonly output: unknown;
  readonly error: OperonError | undefined;
  readonly receipt: CallReceipt | undefined;
  readonly values: readonly unknown[];
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Runs a call to its end and gathers everything it gave. */
export async function collect(
  caller: Caller,
  {
    node,
    operation,
    input,
    options = {},
  }: { node: string; operation: string; input: unknown; options?: CallOptions },
): Promise<CallResult> {
  const call = caller.call(node, operation, input, options);
  const chunks: Chunk[] = [];
  let output: unknown;
  let error: OperonError | undefined;
  try {
    for await (const chunk of call.chunks) chunks.push(chunk);
    output = await call.output;
  } catch (thrown) {
    if (!(thrown instanceof OperonError)) throw thrown;
    error = thrown;
  }
  const bytes = Buffer.concat(
    chunks.flatMap((chunk) => (chunk.kind === "bytes" ? [chunk.bytes] : [])),
  );
  const values = chunks.flatMap((chunk) => (chunk.kind === "value" ? [chunk.value] : []));
  return {
    output,
    error,
    receipt: await call.receipt,
    values,
    text: bytes.toString("utf8"),
    bytes,
  };
}

/** A stream of one text. */
export async function* textStream(text: string): AsyncGenerator<Uint8Array, undefined> {
  yield new TextEncoder().encode(text);
  return undefined;
}

/** Waits until a condition holds; fails after `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error("The condition did not come to hold");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
