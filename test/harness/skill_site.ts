// What the skills assume: a caller's own node `local` and another node `gpu`, both real, with files, a service and rules to run into.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { type Block, root, runBlocks, type Session } from "./document.ts";
import { TestHome, TestNode, textStream } from "./mesh.ts";

const executable = process.env.OPERON_EXECUTABLE ?? join(root, "dist/operon");

/** Files of `gpu`. */
const FILES = {
  "README.md": "# a project\n",
  "src/app.ts":
    'const port = 8080; // TODO: read it from the environment\nconsole.log("listening", port);\n',
  "data/a.csv": "1,2\n3,4\n",
  "data/more/b.csv": "5,6\n",
  "keep/model.bin": "weights\n",
  "secrets/key": "hunter2\n",
};

/** Both nodes, and a folder whose shell calls as the owner of `local`. */
export class SkillSite implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "operon-skills-"));
  readonly #parts = new AsyncDisposableStack();
  #home = "";
  #webPort = 0;

  private constructor() {
    this.#parts.defer(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  static async open(): Promise<SkillSite> {
    const site = new SkillSite();
    await site.#start();
    return site;
  }

  /** Runs a document's blocks as one shell session; 127.0.0.1:3000 is a web server. */
  run(blocks: readonly Block[]): Promise<Session> {
    const path = [dirname(executable), dirname(process.execPath), process.env.PATH];
    return runBlocks(blocks, {
      cwd: this.#folder,
      env: {
        PATH: path.join(delimiter),
        HOME: this.#folder,
        OPERON_HOME: this.#home,
      },
      ports: { 3000: this.#webPort },
    });
  }

  async #start(): Promise<void> {
    const web = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("it works\n"),
    });
    this.#parts.defer(() => web.stop(true));
    this.#webPort = web.port!;
    const local = new TestHome({ name: "local" });
    const gpu = new TestHome({
      name: "gpu",
      policy: (own) => gpuPolicy({ own, caller: local.id, webPort: this.#webPort }),
    });
    for (const [path, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(gpu.workspace, path)), { recursive: true });
      writeFileSync(join(gpu.workspace, path), text);
    }
    const node = this.#parts.use(await TestNode.start(gpu));
    for (const name of ["DEPLOY_TOKEN", "OTHER_TOKEN"])
      await node.call(
        "gpu",
        "secret.set",
        { name },
        { outgoing: textStream("correct-horse-battery") },
      );
    const { endpoint, facts } = node;
    local.configure({
      name: "local",
      nodes: ` gpu: { endpoint: "${endpoint}", key: "${facts.key}" } `,
      policy: localPolicy,
    });
    this.#parts.use(await TestNode.start(local));
    this.#home = local.home.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

function localPolicy(own: string): string {
  return `  principals:
    me: { key: "${own}", roles: [operator] }
  roles:
    operator:
      - allow: [node.*, capability.*, fs.*, exec.*, service.*, secret.*, policy.*, audit.*, trace.*]`;
}

function gpuPolicy({ own, caller, webPort }: { own: string; caller: string; webPort: number }) {
  return `  services:
    - { id: web, host: 127.0.0.1, port: ${webPort}, protocol: http }
    - { id: preview, published_by: [agent] }
    - { id: broken, host: 127.0.0.1, port: 1 }
    - { id: database, host: 127.0.0.1, port: 5432 }
  principals:
    owner: { key: "${own}", roles: [operator] }
    agent: { key: "${caller}", roles: [agent] }
  roles:
    operator:
      - allow: [node.*, capability.*, fs.*, exec.*, service.*, secret.*, policy.*, audit.*, trace.*]
    agent:
      - allow: [node.info, node.ping, node.resolve, capability.*, fs.*, exec.*]
      - allow: [policy.explain, policy.test, audit.list, audit.verify]
      - allow: [service.list]
      - allow: [service.check, service.connect]
        on: ["service:web", "service:preview", "service:broken"]
      - allow: [service.publish]
        on: ["service:preview"]
      - allow: [secret.list]
      - allow: [secret.use]
        on: ["secret:DEPLOY_TOKEN"]
      - ask: [fs.rm, fs.rename]
        name: what is kept
        on: ["fs:workspace/keep/**"]
      - deny: [fs.*]
        name: no secrets
        on: ["fs:workspace/secrets/**"]
      - deny: [exec.run]
        name: no downloads
        when: { argv: [[curl, "**"], [wget, "**"]] }`;
}
