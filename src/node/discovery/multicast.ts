// Multicast DNS (RFC 6762) on chosen interfaces of this machine: one socket for each, IPv4.
// It must never answer to where a packet claims to come from: everything goes to the group, so nothing can be aimed at others.
// Next: announcer.ts and listen.ts use it.

import { networkInterfaces } from "node:os";
import type { MulticastDNS, ResponseOutgoingPacket } from "multicast-dns";
import type { DnsRecords } from "./announcement.ts";

const ADDRESSES_MAX = 16;
const ANY_ADDRESS = "0.0.0.0";

/** What is heard. */
export interface MulticastEvents {
  readonly query?: (names: readonly string[]) => void;
  readonly response?: (records: DnsRecords, from: string) => void;
}

/** Sockets that are open. */
export interface Multicast extends Disposable {
  /** Addresses of the interfaces that could be opened; empty when none could. */
  readonly addresses: readonly string[];
  /** Asks the group for records of this name. */
  query(name: string): void;
  /** Tells the group; the records may differ for each interface. */
  respond(records: (address: string) => DnsRecords): void;
}

/** IPv4 addresses of this machine's interfaces. */
export function interfaceAddresses(options: { readonly loopback: boolean }): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const addresses = all
    .filter(({ family, internal }) => family === "IPv4" && (options.loopback || !internal))
    .map(({ address }) => address);
  return [...new Set(addresses)].slice(0, ADDRESSES_MAX);
}

/** Opens what can be opened; an interface that does not do multicast is left out. */
export async function openMulticast(
  addresses: readonly string[],
  { query, response }: MulticastEvents,
): Promise<Multicast> {
  // Few nodes need it: it is loaded with the first that does.
  const { default: multicastDns } = await import("multicast-dns");
  const opened = await Promise.all(
    addresses.map(async (address) => {
      // On loopback others are heard only by a socket bound to all addresses.
      const socket = multicastDns({ bind: ANY_ADDRESS, interface: address });
      return (await isReady(socket)) ? [{ address, socket }] : [];
    }),
  );
  const sockets = opened.flat();
  for (const { socket } of sockets) {
    if (query) socket.on("query", ({ questions = [] }) => query(questions.map(({ name }) => name)));
    if (response)
      socket.on("response", ({ answers = [], additionals = [] }, { address }) =>
        response({ answers, additionals } as DnsRecords, address),
      );
  }
  return {
    addresses: sockets.map(({ address }) => address),
    query(name) {
      for (const { socket } of sockets) socket.query({ questions: [{ name, type: "PTR" }] });
    },
    respond(records) {
      for (const { address, socket } of sockets)
        socket.respond(records(address) as ResponseOutgoingPacket);
    },
    [Symbol.dispose]() {
      for (const { socket } of sockets) socket.destroy();
    },
  };
}

/** Whether the socket could be bound; what goes wrong later, such as an interface that disappears, ends nothing. */
function isReady(socket: MulticastDNS): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on("warning", () => {});
  socket.on("error", () => {
    socket.destroy();
    resolve(false);
  });
  socket.on("ready", () => resolve(true));
  return promise;
}
