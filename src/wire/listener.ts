// Accepts sessions on a TCP port: HTTP upgrade, handshake, sealed channel.
// It must never let half-open connections hold more than bounded memory, nor believe anything before the handshake.
// Next: exchange.ts runs the handshake; dial.ts is the other end.

import type { Server, ServerWebSocket } from "bun";
import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import type { KeyPair } from "../identity/key.ts";
import {
  HANDSHAKES_PENDING_MAX,
  HANDSHAKES_PENDING_PER_ADDRESS_MAX,
  RECORD_BYTES_MAX,
  SESSION_BUFFERED_BYTES_MAX,
} from "../limits.ts";
import type { MessagePipe } from "./channel.ts";
import { ENDPOINT_PATH, SUBPROTOCOL } from "./dial.ts";
import { answerHandshake } from "./exchange.ts";
import type { SessionKeys } from "./handshake.ts";
import type { SealedChannel } from "./sealed.ts";

/** Seconds an HTTP connection may take to become a WebSocket. */
const UPGRADE_TIMEOUT_SECS = 5;

/** Where a connection comes from. */
export interface RemoteEnd {
  readonly address: string;
  readonly port: number;
}

/** What a listener is made of. */
export interface ListenOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly key: KeyPair;
  readonly clock: Clock;
  /** Browser origins that may connect; none by default. */
  readonly allowOrigins: readonly string[];
  readonly established: (channel: SealedChannel, keys: SessionKeys, remote: RemoteEnd) => void;
  /** A connection that did not become a session. */
  readonly rejected?: (error: OperonError, remoteAddress: string) => void;
}

interface SocketData extends RemoteEnd {
  pipe: ServerPipe | undefined;
}

/** A listening port. */
export class Listener {
  readonly #server: Server<SocketData>;
  readonly #options: ListenOptions;
  /** Handshakes under way, oldest first. */
  readonly #pending = new Set<ServerPipe>();

  /** @throws OperonError `wire.listen_failed` */
  constructor(options: ListenOptions) {
    this.#options = options;
    try {
      this.#server = this.#serve();
    } catch (error) {
      throw new OperonError({
        code: "wire.listen_failed",
        kind: "failed_precondition",
        message: `Cannot listen on ${options.host}:${options.port}: ${(error as Error).message}`,
        hint: "Another program may use the port; change daemon.listen in the configuration",
        cause: error,
      });
    }
  }

  /** The port in use. */
  get port(): number {
    return this.#server.port as number;
  }

  /** Stops accepting; established sessions go on until their owner closes them. */
  stop(): void {
    for (const pipe of this.#pending) pipe.close(1001, "");
    void this.#server.stop(false);
  }

  /** Stops and drops whatever is still connected. */
  async close(): Promise<void> {
    await this.#server.stop(true);
  }

  #serve(): Server<SocketData> {
    return Bun.serve<SocketData>({
      hostname: this.#options.host,
      port: this.#options.port,
      reusePort: false,
      maxRequestBodySize: 1024,
      idleTimeout: UPGRADE_TIMEOUT_SECS,
      fetch: (request, server) => this.#upgrade(request, server),
      error: () => new Response("Bad request\n", { status: 400 }),
      websocket: {
        maxPayloadLength: RECORD_BYTES_MAX,
        backpressureLimit: SESSION_BUFFERED_BYTES_MAX + RECORD_BYTES_MAX,
        closeOnBackpressureLimit: true,
        perMessageDeflate: false,
        sendPings: false,
        idleTimeout: 0,
        open: (socket) => this.#opened(socket),
        message: (socket, message) => {
          if (typeof message === "string") return socket.close(1003, "wire.text_message");
          socket.data.pipe?.receive?.(message);
        },
        drain: (socket) => socket.data.pipe?.drained?.(),
        close: (socket, _code, reason) => socket.data.pipe?.closed?.(reason),
      },
    });
  }

  #upgrade(request: Request, server: Server<SocketData>): Response | undefined {
    const { address, port } = server.requestIP(request) ?? { address: "unknown", port: 0 };
    const refuse = (status: number, code: string, message: string) => {
      this.#options.rejected?.(
        new OperonError({ code, kind: "permission_denied", message }),
        address,
      );
      return new Response(`${message}\n`, { status });
    };
    // A browser sends Origin and cannot leave it out: this is what keeps web pages away from a local daemon.
    const origin = request.headers.get("origin");
    if (origin !== null && !this.#options.allowOrigins.includes(origin)) {
      return refuse(403, "wire.origin_refused", "Connections from browsers are refused");
    }
    if (!isKnownHost(request.headers.get("host"), this.#options.host)) {
      return refuse(421, "wire.host_unknown", "This host name is not served here");
    }
    const { pathname } = new URL(request.url);
    if (pathname !== ENDPOINT_PATH) return new Response("Not found\n", { status: 404 });
    const offered = request.headers.get("sec-websocket-protocol")?.split(",") ?? [];
    if (!offered.some((name) => name.trim() === SUBPROTOCOL)) {
      return new Response(`This is an operon node: it speaks ${SUBPROTOCOL} over WebSocket\n`, {
        status: 426,
      });
    }
    const isUpgraded = server.upgrade(request, {
      data: { address, port, pipe: undefined },
      headers: { "sec-websocket-protocol": SUBPROTOCOL },
    });
    return isUpgraded ? undefined : new Response("Upgrade required\n", { status: 426 });
  }

  #opened(socket: ServerWebSocket<SocketData>): void {
    const pipe = new ServerPipe(socket);
    socket.data.pipe = pipe;
    this.#makeRoom(socket.data.address);
    this.#pending.add(pipe);
    answerHandshake({
      pipe,
      key: this.#options.key,
      clock: this.#options.clock,
      established: (channel, keys) => {
        this.#pending.delete(pipe);
        this.#options.established(channel, keys, socket.data);
      },
      failed: (error) => {
        this.#pending.delete(pipe);
        this.#options.rejected?.(error, socket.data.address);
      },
    });
  }

  /** Drops the oldest half-open handshake when there are too many: a real one takes a millisecond and is rarely the oldest. */
  #makeRoom(address: string): void {
    let fromAddress = 0;
    let oldest: ServerPipe | undefined;
    for (const pipe of this.#pending) {
      if (pipe.address !== address) continue;
      fromAddress++;
      oldest ??= pipe;
    }
    if (fromAddress < HANDSHAKES_PENDING_PER_ADDRESS_MAX) oldest = undefined;
    if (this.#pending.size >= HANDSHAKES_PENDING_MAX)
      oldest ??= this.#pending.values().next().value;
    if (!oldest) return;
    this.#pending.delete(oldest);
    const { closed } = oldest;
    oldest.close(1013, "wire.too_many_handshakes");
    closed?.("wire.too_many_handshakes");
  }
}

/** DNS rebinding makes a browser send a foreign name here; peers dial addresses or names that reach this machine. */
function isKnownHost(header: string | null, listenHost: string): boolean {
  if (header === null || !URL.canParse(`http://${header}`)) return false;
  const { hostname } = new URL(`http://${header}`);
  const isLoopback =
    listenHost === "127.0.0.1" || listenHost === "::1" || listenHost === "localhost";
  if (!isLoopback) return true;
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** A server-side WebSocket as a pipe. */
class ServerPipe implements MessagePipe {
  receive: ((message: Uint8Array) => void) | undefined;
  drained: (() => void) | undefined;
  closed: ((reason: string) => void) | undefined;
  readonly address: string;
  readonly #socket: ServerWebSocket<SocketData>;

  constructor(socket: ServerWebSocket<SocketData>) {
    this.#socket = socket;
    this.address = socket.data.address;
  }

  get bufferedBytes(): number {
    return this.#socket.getBufferedAmount();
  }

  send(message: Uint8Array): void {
    // 0 means the runtime dropped the message: the session cannot go on. -1 means queued.
    if (this.#socket.sendBinary(message as Uint8Array<ArrayBuffer>) === 0) {
      throw new OperonError({
        code: "wire.send_dropped",
        kind: "unavailable",
        message: "The connection does not take more data",
      });
    }
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }
}
