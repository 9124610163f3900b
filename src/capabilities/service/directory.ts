// What a node knows of its services: what is configured now, who is connected to what, who publishes what.
// It must never give out a service its configuration does not name, nor a waiting connection to anyone but its publisher.
// Next: offer.ts is a published service; handler.ts asks for all of it.

import type { SettingsView } from "../../contract/services.ts";
import type { Offer, WaitingConnection } from "./offer.ts";
import type { ServiceSettings } from "./settings.ts";

/** The services of one node. */
export class Directory {
  /** Published services that somebody offers now, by id. */
  readonly offers = new Map<string, Offer>();
  /** Connections that wait for their publisher, by token. */
  readonly waiting = new Map<string, WaitingConnection>();
  readonly #settings: SettingsView;
  readonly #connections = new Map<string, number>();

  constructor(settings: SettingsView) {
    this.#settings = settings;
  }

  /** Those configured now, in the order of the file. */
  get services(): readonly ServiceSettings[] {
    return (this.#settings.of("service") as readonly ServiceSettings[] | undefined) ?? [];
  }

  /** The service with this id, as it is configured now. */
  find(id: string): ServiceSettings | undefined {
    return this.services.find((service) => service.id === id);
  }

  /** Whether the service still leads where it did. */
  isCurrent(service: ServiceSettings): boolean {
    const now = this.find(service.id);
    return now === service || (now !== undefined && routeOf(now) === routeOf(service));
  }

  /** Counts a connection until it is disposed of; `undefined` when the principal has as many as it may. */
  enter(principalId: string, { id, connections_max }: ServiceSettings): Disposable | undefined {
    const key = `${id}\n${principalId}`;
    const count = this.#connections.get(key) ?? 0;
    if (count >= connections_max) return undefined;
    this.#connections.set(key, count + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#connections.get(key) ?? 1) - 1;
        if (left === 0) this.#connections.delete(key);
        else this.#connections.set(key, left);
      },
    };
  }
}

const directories = new WeakMap<SettingsView, Directory>();

/** The directory of the node whose settings these are. */
export function directoryOf(settings: SettingsView): Directory {
  let directory = directories.get(settings);
  if (!directory) {
    directory = new Directory(settings);
    directories.set(settings, directory);
  }
  return directory;
}

/** Where a service is, for people and for the audit log. */
export function targetOf({ host, port, published_by }: ServiceSettings): string {
  if (published_by) return `published by ${published_by.join(", ")}`;
  return `${host?.includes(":") ? `[${host}]` : host}:${port}`;
}

function routeOf(service: ServiceSettings): string {
  return `${service.protocol} ${targetOf(service)}`;
}
