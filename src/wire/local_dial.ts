// The caller's end of the local socket, on Bun and on Node.js.
// It must never wait for a daemon that is not there.
// Next: local.ts is what it hands out; node/local_caller.ts makes a session of it.

import { OperonError } from "../error.ts";
import { type ByteSocket, LocalChannel } from "./local.ts";

interface LocalState {
  channel: LocalChannel | undefined;
}

/**
 * Connects to a daemon's local socket.
 * @throws OperonError `wire.no_daemon` when nobody listens there
 */
export function dialLocal<Result>(
  path: string,
  establish: (channel: LocalChannel) => Result,
): Promise<Result> {
  if (typeof Bun === "undefined") return dialFromNode(path, establish);
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

async function dialFromNode<Result>(
  path: string,
  establish: (channel: LocalChannel) => Result,
): Promise<Result> {
  // Not at the top: Bun's start-up need not pay for it.
  const { connect } = await import("node:net");
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    // All or nothing: what is handed over is queued by the runtime, and the next waits until that is gone.
    const bytes: ByteSocket = {
      write(data) {
        if (socket.destroyed) return -1;
        if (socket.writableNeedDrain) return 0;
        socket.write(data);
        return data.byteLength;
      },
      end: () => void socket.end(),
      terminate: () => void socket.destroy(),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
    };
    socket.once("error", (error) => reject(noDaemon(path, error)));
    socket.once("connect", () => {
      const channel = new LocalChannel(bytes);
      socket.on("data", (data: Buffer) => channel.received(data as Uint8Array));
      socket.on("drain", () => channel.pump());
      socket.on("close", () => channel.gone(""));
      socket.on("error", () => channel.gone("wire.local_closed"));
      try {
        resolve(establish(channel));
      } catch (error) {
        reject(error);
        channel.close("");
      }
    });
  });
}
