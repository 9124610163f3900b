// Addresses of this machine on a command line: where to listen, where to connect to.
// It must never open a port to other machines unless that was said.
// Next: forward.ts listens, publish.ts connects.

import {
  describeReach,
  type ListenAddress,
  parseListenAddress,
  reachOf,
} from "../../config/listen_address.ts";
import { OperonError } from "../../error.ts";
import { usageError } from "./usage_error.ts";

const LOOPBACK = "127.0.0.1";

/**
 * Where `--listen` says to listen; a port alone is one of 127.0.0.1.
 * @throws OperonError `cli.value_invalid`, `cli.exposed`
 */
export function listenAddress(text: string, isExposed: boolean): ListenAddress {
  const address = addressOf("listen", text);
  if (isExposed || reachOf(address.host) === "this_machine") return address;
  throw new OperonError({
    code: "cli.exposed",
    kind: "invalid_argument",
    message: `${text} would let others in: ${describeReach(address).replace(/;.*$/, "")}, and would act in your name`,
    hint: `Listen on ${LOOPBACK}:${address.port}, or add --expose if that is what you want`,
  });
}

/** Where `--to` says to connect to; a port alone is one of 127.0.0.1. @throws OperonError `cli.value_invalid` */
export function localTarget(text: string): ListenAddress {
  const address = addressOf("to", text);
  if (address.port > 0) return address;
  throw usageError("value_invalid", "--to has no port", `For example --to ${LOOPBACK}:3000`);
}

/** `host:port`, with brackets where the host has colons. */
export function addressText({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function addressOf(flag: string, text: string): ListenAddress {
  try {
    return parseListenAddress(/^\d{1,5}$/.test(text) ? `${LOOPBACK}:${text}` : text);
  } catch {
    throw usageError(
      "value_invalid",
      `--${flag} is ${JSON.stringify(text)}, not HOST:PORT`,
      `For example --${flag} ${LOOPBACK}:17789 or --${flag} [::1]:17789`,
    );
  }
}
