// Exchanges datagrams with a udp service over a socket of its own, which takes none but the service's.
// It must never join or split datagrams, nor queue more than its bound.
// Next: joined.ts is the same for connections.

import { systemClock } from "../../clock.ts";
import type { Call } from "../../contract/capability.ts";
import { DatagramQueue } from "../../wire/datagram_queue.ts";
import type { Directory } from "./directory.ts";
import { Guard } from "./guard.ts";
import type { operations } from "./schema.ts";
import type { ServiceSettings } from "./settings.ts";

/** What moves nothing for this long is over (s), where the service says nothing else. */
const IDLE_TIMEOUT_SECS = 60;

/** A call of `service.datagrams`. */
export type DatagramCall = Call<(typeof operations)["datagrams"], "settings">;

interface Counts {
  sent_datagrams: number;
  received_datagrams: number;
}

/** Carries datagrams both ways until the caller ends its stream or nothing moves any more. */
export async function* exchangeDatagrams(
  service: ServiceSettings,
  { call, directory }: { readonly call: DatagramCall; readonly directory: Directory },
): AsyncGenerator<{ data: Uint8Array }, Counts, undefined> {
  const counts: Counts = { sent_datagrams: 0, received_datagrams: 0 };
  const answers = new DatagramQueue();
  const socket = await openSocket(service, answers).catch((error) => {
    throw call.fail("unreachable", { service: service.id }, error);
  });
  let isWithdrawn = false;
  using guard = new Guard(service, {
    directory,
    clock: systemClock,
    idleTimeoutSecs: service.idle_timeout_secs ?? IDLE_TIMEOUT_SECS,
    cut: (reason) => {
      isWithdrawn = reason === "withdrawn";
      answers.end();
    },
  });
  const abort = () => answers.end();
  call.signal.addEventListener("abort", abort, { once: true });
  try {
    call.signal.throwIfAborted();
    void send(socket, call, () => {
      guard.touch();
      counts.sent_datagrams++;
    }).finally(abort);
    for await (const data of answers) {
      guard.touch();
      counts.received_datagrams++;
      yield { data };
    }
    if (isWithdrawn) throw call.fail("withdrawn", { service: service.id });
    return counts;
  } finally {
    call.signal.removeEventListener("abort", abort);
    socket.close();
  }
}

/** A socket that is bound to the service: what others send to it does not arrive. */
export function openSocket(
  { host = "", port = 0 }: ServiceSettings,
  answers: DatagramQueue,
  refused: () => void = () => {},
) {
  return Bun.udpSocket({
    connect: { hostname: host, port },
    socket: {
      data: (_socket, data) => void answers.push(data),
      // The service is not there: whoever speaks UDP expects that, and it may come back.
      error: refused,
    },
  });
}

async function send(
  socket: Awaited<ReturnType<typeof openSocket>>,
  { incoming }: DatagramCall,
  count: () => void,
): Promise<void> {
  try {
    for await (const { data } of incoming) {
      try {
        if (socket.send(data)) count();
      } catch {
        // One datagram was too large for the way or came when nobody listened: it is lost, the next may not be.
        if (socket.closed) return;
      }
    }
  } catch {
    // The caller is gone.
  }
}
