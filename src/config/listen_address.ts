// Where a daemon listens, and what that exposes: `HOST:PORT` taken apart, and who can reach it.
// It must never look anything up: a name that is not known to be loopback counts as reachable by others.
// Next: schema.ts checks `daemon.listen` with this; node/ opens the port.

import { isIP } from "node:net";
import { OperonError } from "../error.ts";

/** A host and a port to listen on. */
export interface ListenAddress {
  /** An address or a name, IPv6 without brackets. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Who can reach a listening port, judged by its address alone. */
export type Reach = "this_machine" | "private_network" | "every_network" | "unknown_network";

/** @throws OperonError `config.listen_invalid` */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  const isHost = match?.[1] === undefined ? isHostName(host) : isIP(host) === 6;
  if (match && host.length <= 253 && isHost && port <= 65_535) return { host, port };
  throw new OperonError({
    code: "config.listen_invalid",
    kind: "invalid_argument",
    message: `"${text.slice(0, 100)}" is not an address and a port to listen on`,
    hint: "Write HOST:PORT, for example 127.0.0.1:7789 or [::1]:7789",
  });
}

/** Who can reach this host address of the machine. */
export function reachOf(host: string): Reach {
  const plain = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
  if (plain === "localhost") return "this_machine";
  if (isIP(plain) === 4) return reachOfIpv4(plain);
  if (isIP(plain) !== 6) return "unknown_network";
  if (plain === "::1") return "this_machine";
  if (/^[0:]+$/.test(plain)) return "every_network";
  return /^f[cd]|^fe[89ab]/.test(plain) ? "private_network" : "unknown_network";
}

/** A sentence for people: who can reach it. */
export function describeReach({ host }: ListenAddress): string {
  switch (reachOf(host)) {
    case "this_machine":
      return "only this machine can reach it";
    case "private_network":
      return "every machine on that private network can reach it; only principals may do anything";
    case "every_network":
      return "every machine on every network this one is on can reach it; only principals may do anything";
    case "unknown_network":
      return "machines beyond this one can reach it; only principals may do anything";
  }
}

function reachOfIpv4(address: string): Reach {
  const [a = 0, b = 0] = address.split(".").map(Number);
  if (a === 127) return "this_machine";
  if (address === "0.0.0.0") return "every_network";
  const isPrivate =
    a === 10 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    // Carrier-grade NAT, where overlay networks have their addresses.
    (a === 100 && b >= 64 && b < 128);
  return isPrivate ? "private_network" : "unknown_network";
}

/** Digits and dots only are an IPv4 address or nothing: `127.1` and `0` mean different things to different programs. */
function isHostName(host: string): boolean {
  if (/^[0-9.]+$/.test(host)) return isIP(host) === 4;
  return host
    .split(".")
    .every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/.test(label));
}
