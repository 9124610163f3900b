// Joins a call with a connection: what the caller sends goes to it, what it answers goes to the caller, each direction on its own.
// It must never end in order what was cut off, nor hold more than the connection's and the stream's windows.
// Next: handler.ts dials; offer.ts joins two calls where a published service is meant.

import { systemClock } from "../../clock.ts";
import type { Call } from "../../contract/capability.ts";
import type { TcpStream } from "../../wire/tcp_stream.ts";
import type { Directory } from "./directory.ts";
import { type CutReason, Guard } from "./guard.ts";
import type { operations } from "./schema.ts";
import type { ServiceSettings } from "./settings.ts";

/** A call of `service.connect`. */
export type ConnectCall = Call<(typeof operations)["connect"], "settings">;

/** How much went each way. */
export interface Traffic {
  sent_bytes: number;
  received_bytes: number;
}

/** What is joined. */
export interface JoinedParts {
  readonly call: ConnectCall;
  readonly service: ServiceSettings;
  readonly directory: Directory;
}

/** Carries both directions until both have ended; the connection is closed then, or cut off when the call was. */
export async function* joined(
  stream: TcpStream,
  { call, service, directory }: JoinedParts,
): AsyncGenerator<Uint8Array, Traffic, undefined> {
  const traffic: Traffic = { sent_bytes: 0, received_bytes: 0 };
  let why: CutReason | undefined;
  using guard = new Guard(service, {
    directory,
    clock: systemClock,
    idleTimeoutSecs: service.idle_timeout_secs,
    cut: (reason) => {
      why = reason;
      stream.reset();
    },
  });
  const reset = () => stream.reset();
  call.signal.addEventListener("abort", reset, { once: true });
  const count = (bytes: number) => {
    guard.touch();
    traffic.sent_bytes += bytes;
  };
  try {
    call.signal.throwIfAborted();
    const sending = send(stream, call, count);
    for await (const chunk of stream.chunks()) {
      guard.touch();
      traffic.received_bytes += chunk.byteLength;
      yield chunk;
    }
    call.endSending();
    await sending;
    if (why) throw call.fail(why);
    return traffic;
  } catch (error) {
    call.signal.throwIfAborted();
    throw call.fail(why ?? "broken", { service: service.id }, error);
  } finally {
    call.signal.removeEventListener("abort", reset);
    stream.close();
  }
}

/** Never rejects: what went wrong is seen by whoever reads from the connection, which is cut off. */
async function send(
  stream: TcpStream,
  { incoming, signal }: ConnectCall,
  count: (bytes: number) => void,
): Promise<void> {
  try {
    for await (const chunk of incoming) {
      // The service may take no more and still answer: what it wrote before it closed has to arrive.
      const isTaken = await stream.write(chunk).then(
        () => true,
        () => false,
      );
      if (!isTaken) return;
      count(chunk.byteLength);
    }
  } catch {
    return stream.reset();
  }
  // A call that was ended from outside looks like an end of its stream.
  if (signal.aborted) stream.reset();
  else stream.end();
}
