// One connection of this machine joined with one call: bytes both ways, each direction ended on its own.
// It must never end in order what was cut off, nor hold more than the windows of both.
// Next: forward.ts accepts connections, publish.ts makes them.

import type { OngoingCall } from "../../contract/caller.ts";
import type { TcpStream } from "../../wire/tcp_stream.ts";

/** How much went each way (bytes). */
export interface Carried {
  toNode: number;
  fromNode: number;
}

/**
 * Carries until both directions have ended; else the connection is cut off and the call cancelled.
 * @param start makes the call, given what the connection sends
 * @throws what the call fails with; nothing when this end of the connection broke
 */
export async function carry(
  stream: TcpStream,
  start: (outgoing: AsyncIterable<Uint8Array>) => OngoingCall,
  carried: Carried,
): Promise<void> {
  const own = { isBroken: false };
  const call = start(outgoingOf(stream, carried, own));
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind !== "bytes") continue;
      if (!(await isTaken(stream, chunk.bytes))) {
        own.isBroken = true;
        return;
      }
      carried.fromNode += chunk.bytes.byteLength;
    }
    stream.end();
    await call.output;
  } catch (error) {
    if (!own.isBroken) throw error;
  } finally {
    call.cancel();
    call.output.catch(() => {});
    stream.close();
  }
}

async function* outgoingOf(
  stream: TcpStream,
  carried: Carried,
  own: { isBroken: boolean },
): AsyncGenerator<Uint8Array, undefined> {
  try {
    for await (const chunk of stream.chunks()) {
      yield chunk;
      carried.toNode += chunk.byteLength;
    }
  } catch (error) {
    // Breaks the call off: a cut stream must not pass for a whole one.
    own.isBroken = true;
    throw error;
  }
  return undefined;
}

function isTaken(stream: TcpStream, bytes: Uint8Array): Promise<boolean> {
  return stream.write(bytes).then(
    () => true,
    () => false,
  );
}
