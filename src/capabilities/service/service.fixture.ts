// Two nodes and the services behind one of them, for tests: real daemons, real sockets.
// It must never be imported by anything but tests.
// Next: connect.test.ts and publish.test.ts use it.

import { createHash } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { TestHome, TestNode } from "../../../test/harness/mesh.ts";

/** Something on a port of this machine. */
export interface TestService extends AsyncDisposable {
  readonly port: number;
  /** Connections it has now. */
  readonly sockets: ReadonlySet<Socket>;
}

/** Serves TCP on loopback; half-closes are the service's own business. */
export async function serveTcp(serve: (socket: Socket) => void): Promise<TestService> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers what it gets with the same. */
export const serveEcho = () => serveTcp((socket) => void socket.pipe(socket));

/** A policy with services, and principals by name with these operations. */
export function servicePolicy(
  services: readonly string[],
  principals: Readonly<Record<string, { readonly key: string; readonly allow: readonly string[] }>>,
): string {
  const named = Object.entries(principals);
  return [
    `  services: [${services.join(", ")}]`,
    "  principals:",
    ...named.map(([name, { key }]) => `    ${name}: { key: "${key}", roles: [${name}] }`),
    "  roles:",
    ...named.map(([name, { allow }]) => `    ${name}: [{ allow: [${allow.join(", ")}] }]`),
  ].join("\n");
}

/** A caller's node and a node with services, which knows the caller as `laptop`. */
export class Pair implements AsyncDisposable {
  readonly near: TestNode;
  far: TestNode;
  readonly #farHome: TestHome;

  /** Where the far node has to be again. */
  #listen: string | undefined;

  private constructor(near: TestNode, far: TestNode, farHome: TestHome) {
    this.near = near;
    this.far = far;
    this.#farHome = farHome;
  }

  static async open(
    services: readonly string[],
    allow: readonly string[] = ["service.*"],
  ): Promise<Pair> {
    const nearHome = new TestHome({ name: "near" });
    const farHome = new TestHome({
      name: "far",
      policy: (own) =>
        servicePolicy(services, {
          owner: { key: own, allow: ["service.*", "audit.*"] },
          laptop: { key: nearHome.id, allow },
        }),
    });
    const far = await TestNode.start(farHome);
    nearHome.configure({ ...nearHome.options, nodes: nodeEntry(far) });
    return new Pair(await TestNode.start(nearHome), far, farHome);
  }

  /** Writes the far node's policy anew; it is in force soon after. */
  reconfigure(services: readonly string[], allow: readonly string[] = ["service.*"]): void {
    const { options } = this.#farHome;
    this.#farHome.configure({
      ...options,
      ...(this.#listen === undefined ? {} : { listen: this.#listen }),
      policy: (own) =>
        servicePolicy(services, {
          owner: { key: own, allow: ["service.*", "audit.*"] },
          laptop: { key: this.near.test.id, allow },
        }),
    });
  }

  /** Stops the far node and starts it again on the same port. */
  async restartFar(): Promise<void> {
    this.#listen = `127.0.0.1:${this.far.port}`;
    await this.far.stop();
    this.#farHome.configure({ ...this.#farHome.options, listen: this.#listen });
    this.far = await TestNode.start(this.#farHome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.near[Symbol.asyncDispose]();
    await this.far[Symbol.asyncDispose]();
  }
}

function nodeEntry({ endpoint, facts }: TestNode): string {
  return ` far: { endpoint: "${endpoint}", key: "${facts.key}" } `;
}

/** Bytes that look random and are the same each time. */
export function testBytes(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed * 2654435761 + 1;
  for (let index = 0; index < size; index++) {
    state = (state * 1103515245 + 12345) % 2147483648;
    bytes[index] = state >>> 16;
  }
  return bytes;
}

/** SHA-256 in hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Connects, sends all, half-closes, and resolves to what came back until the other end did. */
export function exchange(port: number, bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const chunks: Uint8Array[] = [];
    socket.on("data", (chunk: Buffer) => void chunks.push(chunk as Uint8Array));
    socket.on("end", () => {
      resolve(Buffer.concat(chunks));
      socket.destroy();
    });
    socket.on("error", reject);
    socket.end(bytes);
  });
}
