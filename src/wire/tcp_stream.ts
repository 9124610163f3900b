// A TCP connection as a stream that is pulled and a sink that waits, with each direction ended on its own.
// It must never hold more than READ_BYTES_MAX unread bytes, nor end in order what was cut off.
// Next: datagram_queue.ts is what UDP has instead; capabilities and surfaces join these with calls.

import type { Socket, TCPSocketListener } from "bun";
import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";

/** Unread bytes from which on the kernel is asked for no more; what one read of it gives may come on top. */
const READ_BYTES_MAX = 1024 * 1024;

/** Where to listen or whom to dial. */
export interface TcpAddress {
  /** An address or a name, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** How to dial. */
export interface DialTcpOptions extends TcpAddress {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface SocketData {
  stream: TcpStream | undefined;
}

/** One connection. Whoever opens it calls {@link TcpStream.close}. */
export class TcpStream {
  readonly #socket: Socket<SocketData>;
  readonly #closed = Promise.withResolvers<void>();
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isPaused = false;
  #isReadEnded = false;
  #isWriteEnded = false;
  #isClosed = false;
  #failure: OperonError | undefined;
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;

  constructor(socket: Socket<SocketData>) {
    this.#socket = socket;
    socket.setNoDelay(true);
  }

  /** Resolves when both directions are over. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** The other end, for people. */
  get peer(): string {
    return `${this.#socket.remoteAddress}:${this.#socket.remotePort}`;
  }

  /**
   * What the other end sends, until it ends its direction. Iterate once.
   * @throws OperonError `wire.connection_reset` when it was cut off
   */
  async *chunks(): AsyncGenerator<Uint8Array, undefined> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk) {
        this.#queuedBytes -= chunk.byteLength;
        if (this.#isPaused && this.#queuedBytes < READ_BYTES_MAX / 2) this.#goOn();
        yield chunk;
      } else if (this.#isReadEnded) return undefined;
      else if (this.#failure) throw this.#failure;
      else
        await new Promise<void>((resolve) => {
          this.#readable = resolve;
        });
    }
  }

  /** Hands bytes to the kernel, waiting for room. @throws OperonError `wire.connection_reset` */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.byteLength > 0) {
      if (this.#isClosed || this.#isWriteEnded) throw this.#failure ?? reset();
      const written = this.#socket.write(rest);
      if (written < 0) throw this.#failure ?? reset();
      if (written === rest.byteLength) return;
      rest = rest.subarray(written);
      await new Promise<void>((resolve) => {
        this.#writable = resolve;
      });
    }
  }

  /** Says that nothing more comes from here; the other direction goes on. May be called more than once. */
  end(): void {
    if (this.#isClosed || this.#isWriteEnded) return;
    this.#isWriteEnded = true;
    this.#socket.shutdown();
  }

  /** Cuts it off, so that the other end sees an error and not an end. Harmless once closed. */
  reset(): void {
    if (this.#isClosed) return;
    this.#failure ??= reset();
    this.#socket.terminate();
    this.gone();
  }

  /** Ends it: in order when both directions have ended, else cut off. */
  close(): void {
    if (this.#isReadEnded && this.#isWriteEnded && this.#queue.length === 0) this.#socket.end();
    else this.reset();
  }

  /** Called by the runtime's socket. */
  received(bytes: Uint8Array): void {
    if (this.#isClosed || bytes.byteLength === 0) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    if (this.#queuedBytes >= READ_BYTES_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#socket.pause();
    }
    this.#wake();
  }

  /** Called by the runtime's socket. */
  readEnded(): void {
    this.#isReadEnded = true;
    this.#wake();
  }

  /** Called by the runtime's socket. */
  drained(): void {
    const writable = this.#writable;
    this.#writable = undefined;
    writable?.();
  }

  /** Called by the runtime's socket, which tells of the other end's end this way when this one had ended before. */
  gone(error?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (error || !this.#isWriteEnded) this.#failure ??= reset(error);
    if (!this.#failure) this.#isReadEnded = true;
    this.#wake();
    this.drained();
    this.#closed.resolve();
  }

  #goOn(): void {
    this.#isPaused = false;
    if (!this.#isClosed) this.#socket.resume();
  }

  #wake(): void {
    const readable = this.#readable;
    this.#readable = undefined;
    readable?.();
  }
}

/** A listening port. */
export interface TcpListener extends Disposable {
  readonly port: number;
}

/**
 * Listens; disposing stops that and leaves connections alone.
 * @throws OperonError `wire.listen_failed`
 */
export function listenTcp(
  { host, port }: TcpAddress,
  accepted: (stream: TcpStream) => void,
): TcpListener {
  let listener: TCPSocketListener<SocketData>;
  try {
    listener = Bun.listen<SocketData>({
      hostname: host,
      port,
      allowHalfOpen: true,
      exclusive: true,
      socket: handlers((stream) => accepted(stream)),
    });
  } catch (cause) {
    throw new OperonError({
      code: "wire.listen_failed",
      kind: "failed_precondition",
      message: `Cannot listen on ${host}:${port}: ${(cause as Error).message}`,
      hint: "Another program may use the port; choose another one, or 0 for any that is free",
      cause,
    });
  }
  return { port: listener.port, [Symbol.dispose]: () => listener.stop(false) };
}

/** Connects. @throws OperonError `wire.dial_failed`, `wire.dial_timeout`; the signal's reason when it aborts first */
export async function dialTcp(options: DialTcpOptions): Promise<TcpStream> {
  const { host, port, clock, timeoutMs, signal } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<TcpStream>();
  let isOver = false;
  const fail = (error: unknown) => {
    isOver = true;
    reject(error);
  };
  const aborted = () => fail(signal.reason);
  signal.addEventListener("abort", aborted, { once: true });
  using _timer = clock.after(timeoutMs, () => fail(dialTimeout(options)));
  const opened = (stream: TcpStream) => {
    if (isOver) return stream.reset();
    resolve(stream);
  };
  const refused = (cause: unknown) => fail(dialFailed(options, cause));
  const socket = {
    ...handlers(opened),
    connectError: (_: unknown, error: Error) => refused(error),
  };
  Bun.connect<SocketData>({
    hostname: host,
    port,
    allowHalfOpen: true,
    data: { stream: undefined },
    socket,
  }).catch(refused);
  try {
    return await promise;
  } finally {
    isOver = true;
    signal.removeEventListener("abort", aborted);
  }
}

function handlers(opened: (stream: TcpStream) => void) {
  return {
    open(socket: Socket<SocketData>) {
      const stream = new TcpStream(socket);
      socket.data = { stream };
      opened(stream);
    },
    data: (socket: Socket<SocketData>, bytes: Uint8Array) => socket.data.stream?.received(bytes),
    end: (socket: Socket<SocketData>) => socket.data.stream?.readEnded(),
    drain: (socket: Socket<SocketData>) => socket.data.stream?.drained(),
    close: (socket: Socket<SocketData>, error?: unknown) => socket.data?.stream?.gone(error),
    error: () => {},
  };
}

function reset(cause?: unknown): OperonError {
  return new OperonError({
    code: "wire.connection_reset",
    kind: "unavailable",
    message: "The connection was cut off",
    cause,
  });
}

function dialFailed({ host, port }: TcpAddress, cause: unknown): OperonError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new OperonError({
    code: "wire.dial_failed",
    kind: "unavailable",
    message: `${host}:${port} does not take the connection (${code ?? message})`,
    hint: "Check that something listens there",
    cause,
  });
}

function dialTimeout({ host, port, timeoutMs }: DialTcpOptions): OperonError {
  return new OperonError({
    code: "wire.dial_timeout",
    kind: "unavailable",
    message: `${host}:${port} did not answer within ${timeoutMs} ms`,
    hint: "Check that the machine is up and that no firewall is in between",
  });
}
