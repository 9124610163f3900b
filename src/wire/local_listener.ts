// The daemon's end of the local socket: mode 0600, and only processes of the same user get in.
// It must never accept a peer of another user.
// Next: local.ts is what it hands out; node/local_door.ts serves it.

import { ptr } from "bun:ffi";
import { chmodSync, rmSync } from "node:fs";
import type { Socket, UnixSocketListener } from "bun";
import { OperonError } from "../error.ts";
import { openLibc } from "../libc.ts";
import { LocalChannel } from "./local.ts";

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
    const symbols = openLibc({
      getpeereid: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    });
    return (descriptor) => {
      const ids = new Uint32Array(2);
      return symbols.getpeereid(descriptor, ptr(ids), ptr(ids, 4)) === 0 ? ids[0] : undefined;
    };
  }
  const SOL_SOCKET = 1;
  const SO_PEERCRED = 17;
  const symbols = openLibc({
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
