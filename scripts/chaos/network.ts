// Two network namespaces joined by a bridge in a third: cables can be cut while both ends keep their links up.
// It must never touch the network of the machine itself, nor leave a namespace behind.
// Next: partition.ts puts nodes into it.

import { must } from "./world.ts";

/** Where the ends of the network are. */
export const ADDRESSES = { a: "10.231.77.1", b: "10.231.77.2" } as const;

/** Name of an end. */
export type End = keyof typeof ADDRESSES;

/** A network of two machines; dispose it to remove it. */
export class Network implements AsyncDisposable {
  readonly #names: Readonly<Record<End | "bridge", string>>;

  private constructor(id: string) {
    this.#names = { a: `op-${id}-a`, b: `op-${id}-b`, bridge: `op-${id}-x` };
  }

  /** Makes the namespaces and joins them. Needs root and iproute2. */
  static async create(): Promise<Network> {
    const network = new Network(`${process.pid.toString(36)}${Date.now() % 1000}`);
    const { bridge } = network.#names;
    try {
      for (const name of Object.values(network.#names)) await ip("netns", "add", name);
      await ip("-n", bridge, "link", "add", "br0", "type", "bridge");
      await ip("-n", bridge, "link", "set", "br0", "up");
      for (const end of ["a", "b"] as const) await network.#join(end);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** Words that run a command inside an end. */
  inside(end: End): readonly string[] {
    return ["ip", "netns", "exec", this.#names[end]];
  }

  /** Everything between the ends vanishes from now on; neither end is told. */
  async cut(end: End): Promise<void> {
    await ip("-n", this.#names.bridge, "link", "set", `port-${end}`, "nomaster");
  }

  /** Joins an end again. */
  async heal(end: End): Promise<void> {
    await ip("-n", this.#names.bridge, "link", "set", `port-${end}`, "master", "br0");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of Object.values(this.#names))
      await Bun.$`ip netns delete ${name}`.nothrow().quiet();
  }

  async #join(end: End): Promise<void> {
    const { bridge } = this.#names;
    const name = this.#names[end];
    const port = `port-${end}`;
    const peer = ["type", "veth", "peer", "name", "eth0", "netns", name];
    await ip("-n", bridge, "link", "add", port, ...peer);
    await ip("-n", bridge, "link", "set", port, "master", "br0", "up");
    await ip("-n", name, "address", "add", `${ADDRESSES[end]}/24`, "dev", "eth0");
    for (const device of ["lo", "eth0"]) await ip("-n", name, "link", "set", device, "up");
  }
}

async function ip(...words: string[]): Promise<void> {
  const { exitCode, stderr } = await Bun.$`ip ${words}`.nothrow().quiet();
  must(
    exitCode === 0,
    `Network namespaces can be made (as root): ip ${words.join(" ")}: ${stderr}`,
  );
}
