// Whether a service answers: a connection, an HTTP status, or a datagram that is not refused.
// It must never follow where an answer points to: only the configured address is asked.
// Next: check_published.ts tries what somebody else offers; handler.ts reports what is found.

import { systemClock } from "../../clock.ts";
import { OperonError } from "../../error.ts";
import { DatagramQueue } from "../../wire/datagram_queue.ts";
import { dialTcp, type TcpStream } from "../../wire/tcp_stream.ts";
import { openSocket } from "./datagrams.ts";
import { targetOf } from "./directory.ts";
import type { ServiceSettings } from "./settings.ts";

/** How long a refusal of a datagram is waited for (ms). */
const UDP_REFUSAL_MS = 300;
/** What is read of an answer to find its status line (bytes). */
const STATUS_LINE_BYTES_MAX = 1024;

/** What a check found. */
export interface Health {
  readonly state: "up" | "down" | "unknown";
  readonly status?: number;
  readonly detail?: string;
}

/** Tries the service. @throws the signal's reason */
export async function checkService(service: ServiceSettings, signal: AbortSignal): Promise<Health> {
  try {
    if (service.protocol === "udp") return await checkUdp(service, signal);
    const stream = await dialService(service, signal);
    try {
      return service.protocol === "http" ? await checkHttp(stream, service) : { state: "up" };
    } finally {
      stream.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    return { state: "down", detail: error instanceof OperonError ? error.message : String(error) };
  }
}

/** Connects to a configured service. @throws OperonError `wire.dial_failed`, `wire.dial_timeout`; the signal's reason */
export function dialService(
  { host = "", port = 0, dial_timeout_secs }: ServiceSettings,
  signal: AbortSignal,
): Promise<TcpStream> {
  return dialTcp({ host, port, clock: systemClock, timeoutMs: dial_timeout_secs * 1000, signal });
}

async function checkHttp(stream: TcpStream, service: ServiceSettings): Promise<Health> {
  let isLate = false;
  using _timer = systemClock.after(service.dial_timeout_secs * 1000, () => {
    isLate = true;
    stream.reset();
  });
  try {
    await stream.write(httpRequest(service));
    return await readHttp(stream.chunks());
  } catch (error) {
    if (isLate) return silent(service);
    throw error;
  }
}

/** What an http service is asked. */
export function httpRequest(service: ServiceSettings): Uint8Array {
  const lines = [
    `GET ${service.check_path} HTTP/1.1`,
    `Host: ${targetOf(service)}`,
    "User-Agent: operon",
    "Accept: */*",
    "Connection: close",
  ];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/** What its answer says. */
export async function readHttp(chunks: AsyncIterable<Uint8Array>): Promise<Health> {
  let text = "";
  for await (const chunk of chunks) {
    text += Buffer.from(chunk.subarray(0, STATUS_LINE_BYTES_MAX)).toString("latin1");
    if (text.includes("\n") || text.length >= STATUS_LINE_BYTES_MAX) break;
  }
  const status = /^HTTP\/\d(?:\.\d)? (\d{3})(?:[ \r\n]|$)/.exec(text)?.[1];
  if (status === undefined) return { state: "down", detail: "It does not answer as HTTP" };
  return { state: Number(status) < 500 ? "up" : "down", status: Number(status) };
}

/** One that takes a connection and says nothing on it. */
export function silent({ dial_timeout_secs }: ServiceSettings): Health {
  const detail = `It took the connection and did not answer within ${dial_timeout_secs} s`;
  return { state: "down", detail };
}

async function checkUdp(service: ServiceSettings, signal: AbortSignal): Promise<Health> {
  const { promise: refusal, resolve } = Promise.withResolvers<Health>();
  const socket = await openSocket(service, new DatagramQueue(), () =>
    resolve({ state: "down", detail: `${targetOf(service)} refused a datagram` }),
  );
  try {
    socket.send(new Uint8Array(0));
    const silence: Health = {
      state: "unknown",
      detail: "It did not refuse a datagram; whether it takes them cannot be told",
    };
    return await Promise.race([
      refusal,
      systemClock.sleep(UDP_REFUSAL_MS, signal).then(() => silence),
    ]);
  } finally {
    socket.close();
  }
}
