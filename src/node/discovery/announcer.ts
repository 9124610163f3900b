// Tells the local network that this node exists, when it starts and whenever somebody asks.
// It must never say where a node is that cannot be reached from that interface, nor answer faster than a flood asks.
// Next: announcement.ts has the records; daemon.ts starts it where `daemon.advertise_lan` is set.

import type { Clock } from "../../clock.ts";
import type { PublicKey } from "../../identity/key.ts";
import { parseEndpoint } from "../../wire/dial.ts";
import { type Announcement, instanceName, recordsOf, SERVICE } from "./announcement.ts";
import { interfaceAddresses, type Multicast, openMulticast } from "./multicast.ts";

/** Shortest time between two answers (ms): what many ask at once is answered once. */
const PAUSE_MS = 200;
const LOOPBACK = "127.0.0.1";

/** What is announced. */
export interface AnnouncerOptions {
  readonly name: string;
  readonly key: PublicKey;
  /** Where the node listens. */
  readonly host: string;
  readonly port: number;
  /** Where others reach it, when the configuration says so. */
  readonly endpoint: string | undefined;
  readonly clock: Clock;
}

/** A node that announces itself until it is disposed of. */
export class Announcer implements Disposable {
  readonly #options: AnnouncerOptions;
  readonly #multicast: Multicast;
  #pause: Disposable | undefined;
  #isAsked = false;

  /** `undefined` when no interface of this machine does multicast. */
  static async open(options: AnnouncerOptions): Promise<Announcer | undefined> {
    let announcer: Announcer | undefined;
    const multicast = await openMulticast(announcedAddresses(options.host), {
      query: (names) => {
        if (names.some((name) => announcer?.isMeant(name))) announcer?.answer();
      },
    });
    if (multicast.addresses.length === 0) return undefined;
    announcer = new Announcer(options, multicast);
    announcer.answer();
    return announcer;
  }

  private constructor(options: AnnouncerOptions, multicast: Multicast) {
    this.#options = options;
    this.#multicast = multicast;
  }

  /** Whether a question is for this node. */
  isMeant(name: string): boolean {
    return name === SERVICE || name === instanceName(this.#announcement(LOOPBACK));
  }

  /** Tells everybody, at once or after the pause. */
  answer(): void {
    if (this.#pause) {
      this.#isAsked = true;
      return;
    }
    this.#multicast.respond((address) => recordsOf(this.#announcement(address), address));
    this.#pause = this.#options.clock.after(PAUSE_MS, () => {
      this.#pause = undefined;
      if (!this.#isAsked) return;
      this.#isAsked = false;
      this.answer();
    });
  }

  #announcement(address: string): Announcement {
    const { name, key, host, port, endpoint } = this.#options;
    return { name, key, endpoint: endpoint ?? endpointOn(address, host, port) };
  }

  [Symbol.dispose](): void {
    this.#pause?.[Symbol.dispose]();
    this.#multicast[Symbol.dispose]();
  }
}

/** Interfaces on which a node that listens there can be reached. */
export function announcedAddresses(host: string): readonly string[] {
  if (host === "localhost" || host === "::1" || host.startsWith("127.")) return [LOOPBACK];
  const addresses = interfaceAddresses({ loopback: isEverywhere(host) });
  // Behind an IPv6 address or a name any of them may be.
  return addresses.includes(host) ? [host] : addresses;
}

function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Where the node is reached on an interface. */
export function endpointOn(address: string, host: string, port: number): string {
  const reached = isEverywhere(host) ? address : host;
  // As readers want it: without a port that goes without saying.
  return parseEndpoint(`ws://${reached.includes(":") ? `[${reached}]` : reached}:${port}`);
}
