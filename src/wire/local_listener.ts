// The daemon's end of the local socket: mode 0600, and only processes of the same user get in.
// It must never accept a peer of another user, nor a command that a node keeps from its own files.
// Next: local.ts is what it hands out; node/local_door.ts serves it.

import { chmodSync, rmSync } from "node:fs";
import type { Socket, UnixSocketListener } from "bun";
import { OperonError } from "../error.ts";
import { LocalChannel } from "./local.ts";
import { isConfined, peerOf } from "./local_peer.ts";

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
            const peer = peerOf(socketDescriptor(socket));
            if (!peer || peer.uid !== process.getuid?.() || isConfined(peer))
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
