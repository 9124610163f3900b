// From the node to the process that looks after a job: its order when it starts, input while it runs.
// It must never put the order where others can read it, nor wait for a process that is gone.
// Next: supervisor.ts and job_input.ts are the other end.

import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { helperCommand } from "../../../self.ts";
import { INPUT_SOCKET } from "./record.ts";
import type { SupervisorAnswer, SupervisorOrder } from "./supervisor.ts";

/** Starts the process, and waits until it says that the command runs. */
export async function startSupervisor(order: SupervisorOrder): Promise<SupervisorAnswer> {
  const child = Bun.spawn(helperCommand("exec-job"), {
    // Not the command's folder: the process must not take anything from what lies there.
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["pipe", "pipe", "ignore"],
    // A session of its own: the end of the node is not its end.
    detached: true,
  });
  child.unref();
  child.stdin.write(JSON.stringify(order));
  await child.stdin.end();
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes("\n"))
      return JSON.parse(text.slice(0, text.indexOf("\n"))) as SupervisorAnswer;
  }
  return { started: false, code: "EIO", message: "The process that looks after it ended early" };
}

/** Sends input; how many bytes the job took, undefined when it takes none. Rejects when the signal aborts. */
export async function sendInput(
  folder: string,
  {
    close,
    incoming,
    signal,
  }: { close: boolean; incoming: AsyncIterable<Uint8Array>; signal: AbortSignal },
): Promise<number | undefined> {
  using scope = new DisposableStack();
  const fd = openSync(folder, "r");
  scope.defer(() => closeSync(fd));
  // Through the descriptor: the path of a socket may have about 100 characters, a home's path more.
  const socket = connect({ path: `/proc/self/fd/${fd}/${INPUT_SOCKET}`, allowHalfOpen: true });
  scope.defer(() => void socket.destroy());
  const abort = () => void socket.destroy(new Error("cancelled"));
  signal.addEventListener("abort", abort, { once: true });
  scope.defer(() => signal.removeEventListener("abort", abort));
  let said = "";
  const answered = new Promise<void>((resolve, reject) => {
    socket.on("data", (data) => {
      said += String(data);
    });
    socket
      .once("end", resolve)
      .once("error", reject)
      .once("close", () => reject(new Error("closed")));
  });
  answered.catch(() => {});
  try {
    socket.write(Uint8Array.of(close ? 1 : 0));
    for await (const bytes of incoming) {
      if (socket.destroyed || socket.writableEnded) break;
      if (socket.write(bytes)) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once("drain", resolve);
      await Promise.race([promise, answered]);
    }
    socket.end();
    await answered;
    return /^\d+$/.test(said) ? Number(said) : undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (socket.errored || socket.destroyed) return undefined;
    throw error;
  }
}
