// The door other machines come in by: the port, and what the local network is told of it, as the configuration wants them.
// It must never leave a node without a port because the new one cannot be had, nor end sessions that came in by the old one.
// Next: wire/listener.ts accepts; local_door.ts is the one for this machine's own user.

import type { Clock } from "../clock.ts";
import { parseListenAddress } from "../config/listen_address.ts";
import { toOperonError } from "../error.ts";
import type { KeyPair } from "../identity/key.ts";
import { parseEndpoint } from "../wire/dial.ts";
import { Listener } from "../wire/listener.ts";
import type { Announcer } from "./discovery/announcer.ts";
import type { Node } from "./node.ts";

/** What the door needs. */
export interface PublicDoorOptions {
  readonly key: KeyPair;
  readonly clock: Clock;
  /** Tells a person what changed while the node runs. */
  readonly notice: (text: string) => void;
}

/** What the configuration says of it. */
interface DoorSettings {
  readonly name: string;
  readonly listen: string | undefined;
  readonly allowOrigins: readonly string[];
  readonly endpoint: string | undefined;
  readonly isAdvertised: boolean;
}

/** The door of a daemon. */
export class PublicDoor implements AsyncDisposable {
  readonly #node: Node;
  readonly #options: PublicDoorOptions;
  /** What is so now. */
  #settings: DoorSettings;
  #listener: Listener | undefined;
  #announcer: Announcer | undefined;
  /** Those that accept no more, but have sessions. */
  readonly #former: Listener[] = [];
  #last: Promise<void> = Promise.resolve();

  /** Listens. @throws OperonError `wire.listen_failed` */
  constructor(node: Node, options: PublicDoorOptions) {
    this.#node = node;
    this.#options = options;
    this.#settings = settingsOf(node);
    this.#listener = this.#listen(this.#settings);
    this.#tellEndpoint();
  }

  /** Says on the local network that the node is here, where the configuration wants it. */
  announce(): Promise<void> {
    return this.#afterwards(() => this.#announce());
  }

  /** Takes over what a reloaded configuration says. */
  follow(): Promise<void> {
    return this.#afterwards(() => this.#follow());
  }

  /** Accepts nobody any more. */
  stop(): void {
    this.#announcer?.[Symbol.dispose]();
    this.#listener?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#announcer?.[Symbol.dispose]();
    for (const listener of [this.#listener, ...this.#former]) await listener?.close();
  }

  async #announce(): Promise<void> {
    const { name, listen, endpoint, isAdvertised } = this.#settings;
    this.#announcer?.[Symbol.dispose]();
    this.#announcer = undefined;
    if (!isAdvertised) return;
    const { Announcer } = await import("./discovery/announcer.ts");
    const { key, clock, notice } = this.#options;
    this.#announcer =
      this.#listener &&
      (await Announcer.open({
        name,
        key: key.publicKey,
        host: parseListenAddress(listen ?? "").host,
        port: this.#listener.port,
        endpoint: endpoint && parseEndpoint(endpoint),
        clock,
      }));
    if (!this.#announcer)
      notice(
        `daemon.advertise_lan has no effect: ${this.#listener ? "no network interface does multicast DNS" : "without daemon.listen nobody can connect"}`,
      );
  }

  async #follow(): Promise<void> {
    const wanted = settingsOf(this.#node);
    const before = this.#settings;
    if (Bun.deepEquals(wanted, before)) return;
    const isSameDoor =
      wanted.listen === before.listen && Bun.deepEquals(wanted.allowOrigins, before.allowOrigins);
    this.#settings = isSameDoor ? wanted : this.#move(wanted);
    this.#tellEndpoint();
    await this.#announce();
  }

  /** One reload after the other. */
  #afterwards(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(step);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Listens elsewhere, or where it did before; returns what is so then. */
  #move(wanted: DoorSettings): DoorSettings {
    const before = this.#settings;
    const { notice } = this.#options;
    // Before another one is opened: both may want the same port, of all addresses and of one.
    if (this.#listener) {
      this.#listener.stop();
      this.#former.push(this.#listener);
      this.#listener = undefined;
    }
    try {
      this.#listener = this.#listen(wanted);
      notice(wanted.listen ? `Listens on ${wanted.listen} from now on` : "Listens no more");
      return wanted;
    } catch (error) {
      const { message } = toOperonError(error);
      const { listen, allowOrigins } = before;
      try {
        this.#listener = this.#listen(before);
        notice(
          `${message}; ${listen ? `it listens on ${listen} as before` : "it listens nowhere"}`,
        );
        return { ...wanted, listen, allowOrigins };
      } catch {
        notice(`${message}; it listens nowhere now`);
        return { ...wanted, listen: undefined };
      }
    }
  }

  #listen({ listen, allowOrigins }: DoorSettings): Listener | undefined {
    if (listen === undefined) return undefined;
    const node = this.#node;
    const { key, clock } = this.#options;
    return new Listener({
      ...parseListenAddress(listen),
      key,
      clock,
      allowOrigins,
      established: (channel, keys, remote) =>
        node.admit(node.connector.adopt(channel, keys.peer, "responder"), remote),
      rejected: (error, address) => node.rejected(error, address),
    });
  }

  #tellEndpoint(): void {
    const { listen, endpoint } = this.#settings;
    this.#node.endpoint = endpoint ?? endpointOf(listen, this.#listener);
  }
}

function settingsOf({ nodeId, config: { daemon } }: Node): DoorSettings {
  return {
    name: nodeId,
    listen: daemon?.listen,
    allowOrigins: daemon?.allow_origins ?? [],
    endpoint: daemon?.endpoint,
    isAdvertised: daemon?.advertise_lan ?? false,
  };
}

function endpointOf(listen: string | undefined, listener: Listener | undefined) {
  if (listen === undefined || !listener) return undefined;
  const { host } = parseListenAddress(listen);
  return `ws://${host.includes(":") ? `[${host}]` : host}:${listener.port}`;
}
