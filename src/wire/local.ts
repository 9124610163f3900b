// Records over a Unix socket, for callers of the same user: no encryption, the kernel says who is there.
// It must never accept a peer of another user, nor a record longer than the limit.
// Next: session.ts with no peer key; node/ serves the socket, surfaces dial it.

import { chmodSync, rmSync } from "node:fs";
import type { Socket, UnixSocketListener } from "bun";
import { OperonError } from "../error.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import type { ChannelEvents, RecordChannel } from "./channel.ts";

const HEADER_BYTES = 4;

/** A Unix socket that carries records: u32 big-endian length, then the record. */
export class LocalChannel implements RecordChannel {
  readonly #socket: Socket<LocalState>;
  #events: ChannelEvents | undefined;
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #isClosed = false;
  #isStalled = false;

  constructor(socket: Socket<LocalState>) {
    this.#socket = socket;
  }

  get events(): ChannelEvents | undefined {
    return this.#events;
  }

  set events(events: ChannelEvents | undefined) {
    this.#events = events;
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

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#socket.flush();
    this.#socket.end();
    this.ended(reason);
  }

  /** Writes what is queued until the kernel is full. */
  pump(): void {
    this.#isStalled = false;
    while (this.#outgoing.length > 0 && !this.#isClosed) {
      const next = this.#outgoing[0] as Uint8Array;
      const written = this.#socket.write(next);
      if (written < 0) return this.ended("wire.local_closed");
      this.#outgoingBytes -= written;
      if (written < next.byteLength) {
        this.#outgoing[0] = next.subarray(written);
        this.#isStalled = true;
        return;
      }
      this.#outgoing.shift();
    }
    this.#events?.drain();
  }

  /** Bytes from the kernel, in any division. */
  received(data: Uint8Array): void {
    this.#incoming.push(data);
    this.#incomingBytes += data.byteLength;
    try {
      for (let record = this.#next(); record && !this.#isClosed; record = this.#next())
        this.#events?.record(record);
    } catch {
      this.close("wire.local_protocol");
    }
  }

  /** The socket is gone. */
  ended(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#events?.closed(reason);
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
          close: (socket) => socket.data?.channel?.ended(""),
          error: (socket) => socket.data?.channel?.ended("wire.local_closed"),
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

  [Symbol.dispose](): void {
    this.#listener.stop(true);
    rmSync(this.#path, { force: true });
  }
}

/**
 * Connects to a daemon's local socket.
 * @throws OperonError `wire.no_daemon` when nobody listens there
 */
export async function dialLocal<Result>(
  path: string,
  establish: (channel: LocalChannel) => Result,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  try {
    await Bun.connect<LocalState>({
      unix: path,
      data: { channel: undefined },
      socket: {
        open(socket) {
          const channel = new LocalChannel(socket);
          socket.data = { channel };
          resolve(establish(channel));
        },
        data: (socket, data) => socket.data.channel?.received(data),
        drain: (socket) => socket.data.channel?.pump(),
        close: (socket) => socket.data?.channel?.ended(""),
        error: (socket) => socket.data?.channel?.ended("wire.local_closed"),
        connectError: (_socket, error) => reject(noDaemon(path, error)),
      },
    });
  } catch (error) {
    reject(noDaemon(path, error));
  }
  return promise;
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
  // Loaded on first use: only a daemon needs it.
  const { dlopen, ptr } = require("bun:ffi") as typeof import("bun:ffi");
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
