// Joins two streams of one call: a local caller's and the one to the node that serves it.
// It must never buffer more than one chunk: credit of either side holds back the other.
// Next: local_door.ts bridges callers on the local socket.

import { toOperonError } from "../error.ts";
import type { CallStream } from "../wire/call_stream.ts";
import { encodeResponse } from "../wire/envelope.ts";
import { leafHash } from "../wire/merkle.ts";
import type { SentCall } from "../wire/session_events.ts";

/** The caller's end of a bridged call. */
export interface BridgedCaller {
  readonly bytes: Uint8Array;
  readonly stream: CallStream;
  respond(response: Uint8Array): void;
}

/** Carries chunks, half-closes, cancel and the response until the call is over; never throws. */
export async function bridge(
  caller: BridgedCaller,
  sending: Promise<SentCall> | SentCall,
): Promise<void> {
  try {
    const sent = await sending;
    const cancel = () => sent.cancel();
    caller.stream.cancellation.onCancel(cancel);
    carry(caller.stream, sent.stream).catch(cancel);
    const answering = carry(sent.stream, caller.stream).catch(() => {});
    const { bytes } = await sent.response;
    await answering;
    caller.respond(bytes);
  } catch (error) {
    const document = toOperonError(error).toDocument();
    caller.respond(encodeResponse({ request: leafHash(caller.bytes), ok: false, error: document }));
  }
}

async function carry(from: CallStream, to: CallStream): Promise<void> {
  for await (const chunk of from.incoming) {
    if (chunk.values) await to.outgoing.writeValues(chunk.payload);
    else await to.outgoing.write(chunk.payload, chunk.channel);
  }
  // An end nobody sent is that of a failed call: the response says so.
  if (from.incoming.isWhole) to.outgoing.end();
}
