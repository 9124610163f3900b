// Records over a Unix socket, for callers of the same user: no encryption, the kernel says who is there.
// It must never accept a peer of another user, nor a record longer than the limit.
// Next: session.ts with no peer key; node/ serves the socket, surfaces dial it.

import { dlopen, ptr } from "bun:ffi";
import { chmodSync, rmSync } from "node:fs";
import type { Socket, UnixSocketListener } from "bun";
import { systemClock } from "../clock.ts";
import { OperonError, toOperonError } from "../error.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import type { ChannelEvents, RecordChannel } from "./channel.ts";

const HEADER_BYTES = 4;
/** How long a closed channel may take to hand over what was sent before (ms). */
const LINGER_MS = 2_000;

/** A Unix socket that carries records: u32 big-endian length, then the record. */
export class LocalChannel implements RecordChannel {
  events: ChannelEvents | undefined;
  readonly #socket: Socket<LocalState>;
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #isClosed = false;
  #isStalled = false;
  #lingering: Disposable | undefined;

  constructor(socket: Socket<LocalState>) {
    this.#socket = socket;
  }

  get bufferedBytes(): number {
    return this.#outgoingBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const record = Buffer.allocUnsafe(HEADER_BYTES + size);
    record.writeUInt32BE(size, 0);
    let offset = HEADER_BYTES;
    for (const part of parts) {
      record.set(part, offset);
      offset += part.byteLength;
    }
    this.#outgoing.push(record);
    this.#outgoingBytes += record.byteLength;
    if (!this.#isStalled) this.pump();
  }

  /** What was sent before is still delivered, as long as the other end takes it within {@link LINGER_MS}. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#ended(reason);
    this.#endWhenSent();
  }

  /** Writes what is queued until the kernel is full. */
  pump(): void {
    this.#isStalled = false;
    while (this.#outgoing.length > 0) {
      const next = this.#outgoing[0] as Uint8Array;
      const written = this.#socket.write(next);
      if (written < 0) return this.gone("wire.local_closed");
      this.#outgoingBytes -= written;
      if (written < next.byteLength) {
        this.#outgoing[0] = next.subarray(written);
        this.#isStalled = true;
        return;
      }
      this.#outgoing.shift();
    }
    if (this.#isClosed) this.#endWhenSent();
    else this.events?.drain();
  }

  /** Bytes from the kernel, in any division. */
  received(data: Uint8Array): void {
    if (this.#isClosed) return;
    this.#incoming.push(data);
    this.#incomingBytes += data.byteLength;
    try {
      for (let record = this.#next(); record && !this.#isClosed; record = this.#next())
        this.events?.record(record);
    } catch (error) {
      this.close(toOperonError(error).code);
    }
  }

  /** The socket is gone, and with it whatever was not delivered. */
  gone(reason: string): void {
    this.#lingering?.[Symbol.dispose]();
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#ended(reason);
  }

  #ended(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.events?.closed(reason);
  }

  #endWhenSent(): void {
    if (this.#outgoing.length === 0) {
      this.#lingering?.[Symbol.dispose]();
      this.#socket.end();
      return;
    }
    this.#lingering ??= systemClock.after(LINGER_MS, () => this.#socket.terminate());
  }

  #next(): Uint8Array | undefined {
    if (this.#incomingBytes < HEADER_BYTES) return undefined;
    const first = this.#incoming[0] as Uint8Array;
    const joined = first.byteLength >= HEADER_BYTES ? first : Buffer.concat(this.#incoming);
    if (joined !== first) this.#incoming = [joined];
    const size = new DataView(joined.buffer, joined.byteOffset).getUint32(0);
    if (size > RECORD_BYTES_MAX)
      throw new OperonError({
        code: "wire.record_too_large",
        kind: "internal",
        message: "A local record is too large",
        hint: "Both ends must be the same version of operon; restart the daemon after an update",
      });
    if (this.#incomingBytes < HEADER_BYTES + size) return undefined;
    const whole = joined.byteLength >= HEADER_BYTES + size ? joined : Buffer.concat(this.#incoming);
    const rest = whole.subarray(HEADER_BYTES + size);
    this.#incoming =
      whole === joined && this.#incoming.length > 1 ? [rest, ...this.#incoming.slice(1)] : [rest];
    this.#incomingBytes -= HEADER_BYTES + size;
    return whole.subarray(HEADER_BYTES, HEADER_BYTES + size);
  }
}

interface LocalState {
  channel: LocalChannel | undefined;
}

/** A listening Unix socket of mode 0600. */
export class LocalListener implements Disposable {
  readonly #listener: UnixSocketListener<LocalState>;
  readonly #path: string;

  /**
   * @param accept makes the session, synchronously
   * @throws OperonError `wire.listen_failed`
   */
  constructor(path: string, accept: (channel: LocalChannel) => void) {
    this.#path = path;
    rmSync(path, { force: true });
    const previousMask = process.umask(0o177);
    try {
      this.#listener = Bun.listen<LocalState>({
        unix: path,
        data: { channel: undefined },
        socket: {
          open(socket) {
            if (peerUid(socketDescriptor(socket)) !== process.getuid?.())
              return void socket.terminate();
            const channel = new LocalChannel(socket);
            socket.data = { channel };
            accept(channel);
          },
          data: (socket, data) => socket.data.channel?.received(data),
          drain: (socket) => socket.data.channel?.pump(),
          close: (socket) => socket.data?.channel?.gone(""),
          error: (socket) => socket.data?.channel?.gone("wire.local_closed"),
        },
      });
      chmodSync(path, 0o600);
    } catch (error) {
      throw new OperonError({
        code: "wire.listen_failed",
        kind: "unavailable",
        message: `Cannot listen on the local socket ${path}`,
        hint: "Unix socket paths are limited to about 100 characters; set OPERON_HOME to a shorter path",
        cause: error,
      });
    } finally {
      process.umask(previousMask);
    }
  }

  /** Stops accepting; open channels go on until their owner closes them. */
  [Symbol.dispose](): void {
    this.#listener.stop(false);
    rmSync(this.#path, { force: true });
  }
}

/**
 * Connects to a daemon's local socket.
 * @throws OperonError `wire.no_daemon` when nobody listens there
 */
export function dialLocal<Result>(
  path: string,
  establish: (channel: LocalChannel) => Result,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const refused = (cause: unknown) => reject(noDaemon(path, cause));
    Bun.connect<LocalState>({
      unix: path,
      data: { channel: undefined },
      socket: {
        open(socket) {
          const channel = new LocalChannel(socket);
          socket.data = { channel };
          try {
            resolve(establish(channel));
          } catch (error) {
            reject(error);
            channel.close("");
          }
        },
        data: (socket, data) => socket.data.channel?.received(data),
        drain: (socket) => socket.data.channel?.pump(),
        close: (socket) => socket.data?.channel?.gone(""),
        error: (socket) => socket.data?.channel?.gone("wire.local_closed"),
        connectError: (_socket, error) => refused(error),
      },
    }).catch(refused);
  });
}

function noDaemon(path: string, cause: unknown): OperonError {
  return new OperonError({
    code: "wire.no_daemon",
    kind: "unavailable",
    message: `No daemon listens on ${path}`,
    hint: "Start one with operon daemon start",
    cause,
  });
}

function socketDescriptor(socket: Socket<LocalState>): number {
  return (socket as unknown as { readonly fd: number }).fd;
}

/** User id of the process at the other end, from the kernel (unix(7) SO_PEERCRED). */
function peerUid(descriptor: number): number | undefined {
  readPeerUid ??= makeReadPeerUid();
  return readPeerUid(descriptor);
}

let readPeerUid: ((descriptor: number) => number | undefined) | undefined;

function makeReadPeerUid(): (descriptor: number) => number | undefined {
  if (process.platform === "darwin") {
    const { symbols } = dlopen("libSystem.B.dylib", {
      getpeereid: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    });
    return (descriptor) => {
      const ids = new Uint32Array(2);
      return symbols.getpeereid(descriptor, ptr(ids), ptr(ids, 4)) === 0 ? ids[0] : undefined;
    };
  }
  const SOL_SOCKET = 1;
  const SO_PEERCRED = 17;
  const { symbols } = dlopen("libc.so.6", {
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  });
  return (descriptor) => {
    const credentials = new Uint32Array(3);
    const size = new Uint32Array([12]);
    const status = symbols.getsockopt(
      descriptor,
      SOL_SOCKET,
      SO_PEERCRED,
      ptr(credentials),
      ptr(size),
    );
    return status === 0 ? credentials[1] : undefined;
  };
}
