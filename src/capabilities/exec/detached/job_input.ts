// Input of a job from any number of callers, one after the other, until one of them closes it.
// It must never take more than the command reads: a caller waits.
// Next: handler.ts is the other end of the socket.

import { openSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { isOfNode } from "../socket_peer.ts";
import { INPUT_SOCKET } from "./record.ts";

/** The input; its chunks are the command's to read. */
export class JobInput {
  #isClosed = false;
  #offered: { readonly bytes: Uint8Array; readonly settle: (taken: boolean) => void } | undefined;
  #turn: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  /** Takes connections: a byte (1: close the input after this), then the bytes. Answers how many were taken, as a decimal. */
  listen(folder: string): Server {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on("error", () => {});
      if (!isOfNode(socket)) return void socket.destroy();
      this.#turn = this.#turn.then(() => this.#take(socket)).catch(() => {});
    });
    // Through the descriptor: the path of a socket may have about 100 characters, a home's path more.
    server.listen(`/proc/self/fd/${openSync(folder, "r")}/${INPUT_SOCKET}`);
    server.unref();
    return server;
  }

  /** Ends when the input is closed. */
  async *chunks(): AsyncGenerator<Uint8Array, undefined> {
    try {
      for (;;) {
        const offered = this.#offered;
        if (offered) {
          this.#offered = undefined;
          try {
            yield offered.bytes;
          } finally {
            // Also where this is the last it ever asks for: it may end of what it has just read.
            offered.settle(true);
          }
        } else if (this.#isClosed) {
          return undefined;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      // The command reads no more.
      this.#isClosed = true;
      this.#offered?.settle(false);
    }
  }

  /** One connection to its end. Iterating over the socket would destroy it before it is answered. */
  #take(socket: Socket): Promise<void> {
    if (this.#isClosed) {
      // No number: nothing will ever be taken.
      socket.end("closed");
      return Promise.resolve();
    }
    let closes: boolean | undefined;
    let size = 0;
    return new Promise((resolve) => {
      const finish = () => {
        if (closes) {
          this.#isClosed = true;
          this.#wake();
        }
        socket.end(String(size));
        resolve();
      };
      socket.on("data", async (chunk) => {
        const data = chunk as Uint8Array;
        const bytes = closes === undefined ? data.subarray(1) : data;
        closes ??= data[0] === 1;
        if (bytes.byteLength === 0) return;
        socket.pause();
        if (!(await this.#offer(bytes))) return finish();
        size += bytes.byteLength;
        socket.resume();
      });
      socket.once("end", finish);
      socket.once("close", () => resolve());
      socket.resume();
    });
  }

  #offer(bytes: Uint8Array): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    return new Promise((settle) => {
      this.#offered = { bytes, settle };
      this.#wake();
    });
  }
}
