// Opens a session to an endpoint: WebSocket, handshake, sealed channel.
// It must never go on with a peer whose key is not the expected one.
// Next: exchange.ts runs the handshake; session.ts takes the channel.

import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../limits.ts";
import type { MessagePipe } from "./channel.ts";
import { startHandshake } from "./exchange.ts";
import type { SessionKeys } from "./handshake.ts";
import type { SealedChannel } from "./sealed.ts";

/** WebSocket subprotocol of this protocol version. */
export const SUBPROTOCOL = "operon.1";
/** Path of the WebSocket endpoint. */
export const ENDPOINT_PATH = "/operon";
/** How often a socket without drain event is looked at while it is full (ms). */
const DRAIN_POLL_MS = 2;
const HIGH_WATER_BYTES = 1024 * 1024;

/** Where to dial and as whom. */
export interface DialOptions {
  /** `ws://host:port` or `wss://host:port`; the path is added. */
  readonly endpoint: string;
  readonly key: KeyPair;
  /** The key the other side must have; `undefined` accepts any (trust on first use, the caller's duty). */
  readonly expected: PublicKey | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/**
 * Connects and shakes hands. `establish` runs synchronously with the end of the handshake and makes the session.
 * @throws OperonError `wire.unreachable`, `wire.peer_key_mismatch`, `wire.handshake_timeout`, `wire.handshake_refused`
 */
export async function dial<Result>(
  options: DialOptions,
  establish: (channel: SealedChannel, keys: SessionKeys) => Result,
): Promise<Result> {
  const Socket = await socketClass();
  return new Promise((resolve, reject) => {
    const socket = openSocket(Socket, options.endpoint);
    const give = (error: OperonError) => {
      timer[Symbol.dispose]();
      options.signal?.removeEventListener("abort", aborted);
      socket.onclose = null;
      socket.onerror = null;
      socket.close();
      reject(error);
    };
    const aborted = () => give(unreachable(options.endpoint, "the attempt was cancelled"));
    const timer = options.clock.after(HANDSHAKE_TIMEOUT_MS, () =>
      give(unreachable(options.endpoint, "no answer")),
    );
    options.signal?.addEventListener("abort", aborted, { once: true });
    if (options.signal?.aborted) return aborted();
    socket.onerror = () => give(unreachable(options.endpoint, "the connection failed"));
    socket.onclose = () => give(unreachable(options.endpoint, "the connection was refused"));
    socket.onopen = () => {
      timer[Symbol.dispose]();
      startHandshake({
        pipe: new SocketPipe(socket),
        key: options.key,
        expected: options.expected,
        clock: options.clock,
        failed: give,
        established: (channel, keys) => {
          options.signal?.removeEventListener("abort", aborted);
          resolve(establish(channel, keys));
        },
      });
    };
  });
}

/** Whether a text is an endpoint; gives it back normalised. @throws OperonError `wire.endpoint_invalid` */
export function parseEndpoint(text: string): string {
  const candidate = text.includes("://") ? text : `ws://${text}`;
  if (URL.canParse(candidate)) {
    const url = new URL(candidate);
    const isPlain =
      url.username === "" && url.password === "" && url.search === "" && url.hash === "";
    if ((url.protocol === "ws:" || url.protocol === "wss:") && url.hostname !== "" && isPlain)
      return `${url.protocol}//${url.host}`;
  }
  throw new OperonError({
    code: "wire.endpoint_invalid",
    kind: "invalid_argument",
    message: `"${text.slice(0, 100)}" is not an endpoint`,
    hint: "Write ws://HOST:PORT, for example ws://100.96.18.20:7789",
  });
}

/** Bun's own client, which is the faster one there; `ws` on Node.js, whose own has no way to refuse compression. */
async function socketClass(): Promise<typeof WebSocket> {
  if (typeof Bun !== "undefined") return WebSocket;
  const { WebSocket: Socket } = await import("ws");
  return Socket as unknown as typeof WebSocket;
}

function openSocket(Socket: typeof WebSocket, endpoint: string): WebSocket {
  const url = `${parseEndpoint(endpoint)}${ENDPOINT_PATH}`;
  const options = { protocols: [SUBPROTOCOL], perMessageDeflate: false };
  const socket =
    typeof Bun === "undefined"
      ? new (Socket as unknown as NodeSocket)(url, options.protocols, options)
      : new Socket(url, options as unknown as string[]);
  socket.binaryType = "arraybuffer";
  return socket;
}

type NodeSocket = new (url: string, protocols: string[], options: object) => WebSocket;

/** A client WebSocket as a pipe. It has no drain event, so a full one is polled. */
class SocketPipe implements MessagePipe {
  receive: ((message: Uint8Array) => void) | undefined;
  drained: (() => void) | undefined;
  closed: ((reason: string) => void) | undefined;
  readonly #socket: WebSocket;
  #isPolling = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") return this.close(1003, "wire.text_message");
      this.receive?.(new Uint8Array(data as ArrayBuffer));
    };
    socket.onclose = ({ reason }) => this.closed?.(reason);
    socket.onerror = null;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: Uint8Array): void {
    // Bun copies what it cannot send at once; `ws` may keep it.
    const own = typeof Bun === "undefined" ? new Uint8Array(message) : message;
    this.#socket.send(own as Uint8Array<ArrayBuffer>);
    if (this.#socket.bufferedAmount > HIGH_WATER_BYTES) this.#poll();
  }

  close(code: number, reason: string): void {
    // Browsers' rule, which this client follows: only 1000 and 3000-4999 may be sent.
    this.#socket.close(code === 1000 ? 1000 : 3000 + (code % 1000), reason);
  }

  #poll(): void {
    if (this.#isPolling) return;
    this.#isPolling = true;
    const timer = setInterval(() => {
      const isOpen = this.#socket.readyState === this.#socket.OPEN;
      if (isOpen && this.#socket.bufferedAmount > HIGH_WATER_BYTES) return;
      clearInterval(timer);
      this.#isPolling = false;
      this.drained?.();
    }, DRAIN_POLL_MS);
  }
}

function unreachable(endpoint: string, why: string): OperonError {
  return new OperonError({
    code: "wire.unreachable",
    kind: "unavailable",
    message: `No operon node answers at ${endpoint}: ${why}`,
    hint: "Check that its daemon runs (operon daemon start) and that the address and port are right",
    data: { endpoint },
  });
}
