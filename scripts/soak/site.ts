// Where a soak takes place: a node that serves, one that calls on, one that comes and goes, and services behind the first.
// It must never leave a process or a socket behind, however a soak ends.
// Next: activity.ts for what is done here; soak.ts opens one.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { serveEcho, type TestService } from "../../src/capabilities/service/service.fixture.ts";
import type { Caller } from "../../src/contract/caller.ts";
import { KeyPair } from "../../src/identity/key.ts";
import { freePort } from "../../test/harness/free_port.ts";
import { firstLine, NodeProcess } from "../chaos/node_process.ts";
import { must } from "../chaos/world.ts";

/** A way to the serving node: a caller, and what that calls it. */
export interface Way {
  readonly caller: Caller;
  readonly node: string;
}

/** A command that stays, and the port it listens on. */
export interface Forward extends AsyncDisposable {
  readonly port: number;
  /** What it complained of so far. */
  complaints(): string;
}

/** How long a command may take to end after SIGINT (ms). */
const END_MS = 15_000;

/** The place of one soak. */
export class Site implements AsyncDisposable {
  /** Serves. */
  readonly a: NodeProcess;
  /** Calls on: its callers' requests reach `a` over the network. */
  readonly b: NodeProcess;
  /** Comes and goes. */
  readonly c: NodeProcess;
  /** May do everything at `a`, whenever the configuration says so. */
  readonly guest = KeyPair.generate();
  /** May do nothing. */
  readonly stranger = KeyPair.generate();
  readonly echo: TestService;
  /** Straight and by way of `b`. */
  readonly ways: readonly Way[];
  readonly #services: readonly string[];
  readonly #udp: Socket;

  static async open(folder: string, executable: string): Promise<Site> {
    const echo = await serveEcho();
    const udp = createSocket("udp4");
    udp.on("message", (data, { port, address }) => udp.send(data, port, address));
    udp.on("error", () => {});
    udp.bind(0, "127.0.0.1");
    await once(udp, "listening");
    const make = (name: string) => {
      const listen = `127.0.0.1:${freePort()}`;
      return new NodeProcess({ name, folder: join(folder, name), executable, listen });
    };
    const nodes = { a: make("a"), b: make("b"), c: make("c") };
    const site = new Site(nodes, echo, udp);
    site.configure({ isGuestKnown: true });
    nodes.b.configure([nodes.a]);
    nodes.c.configure([nodes.a]);
    await Promise.all([nodes.a.start(), nodes.b.start()]);
    (site.ways as Way[]).push(
      { caller: await nodes.a.caller(), node: "local" },
      { caller: await nodes.b.caller(), node: "a" },
    );
    return site;
  }

  private constructor(
    { a, b, c }: Record<"a" | "b" | "c", NodeProcess>,
    echo: TestService,
    udp: Socket,
  ) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.echo = echo;
    this.ways = [];
    this.#udp = udp;
    this.#services = [
      `{ id: echo, host: 127.0.0.1, port: ${echo.port}, connections_max: 1024 }`,
      `{ id: udp, host: 127.0.0.1, port: ${udp.address().port}, protocol: udp }`,
      "{ id: preview, published_by: [b] }",
    ];
  }

  /** Writes the serving node's configuration anew, which it takes over while it works. */
  configure({ isGuestKnown }: { readonly isGuestKnown: boolean }): void {
    const guests = isGuestKnown ? [{ name: "guest", id: this.guest.publicKey.id }] : [];
    this.a.configure([this.b, this.c], { services: this.#services, guests });
  }

  /** A folder of the serving node's workspace that one activity has for itself. */
  folder(name: string): string {
    mkdirSync(join(this.a.workspace, name), { recursive: true });
    return `/${name}`;
  }

  /** Starts a command of `b` that listens on a port of this machine, or offers one. */
  async forward(...words: string[]): Promise<Forward> {
    const command = this.b.command(...words);
    let complaints = "";
    const hearing = (async () => {
      for await (const bytes of command.stderr) complaints += Buffer.from(bytes).toString();
    })();
    const said = await firstLine(command.stdout);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    return {
      port,
      complaints: () => complaints,
      async [Symbol.asyncDispose]() {
        command.kill("SIGINT");
        const code = await Promise.race([command.exited, Bun.sleep(END_MS)]);
        await hearing;
        must(code !== undefined, `\`operon ${words.join(" ")}\` ends with Ctrl-C`);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { caller } of this.ways) await caller[Symbol.asyncDispose]();
    for (const node of [this.a, this.b, this.c]) await node[Symbol.asyncDispose]();
    await this.echo[Symbol.asyncDispose]();
    this.#udp.close();
  }
}
