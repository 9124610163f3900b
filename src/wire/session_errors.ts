// What goes wrong on a session, in words: most of it ends the session.
// Next: session.ts throws them.

import { OperonError } from "../error.ts";
import { NAME_BYTES_MAX } from "./message.ts";

/** A request's addressee is another key. */
export function notAddressee(): OperonError {
  return new OperonError({
    code: "wire.not_addressee",
    kind: "unauthenticated",
    message: "A request was signed for another node",
    hint: "The endpoint may belong to another node than the caller believes; check operon node list",
  });
}

/** A message that has no place here. */
export function misplaced(message: string): OperonError {
  return new OperonError({
    code: "wire.message_invalid",
    kind: "data_loss",
    message,
    hint: "The peer's software breaks the protocol; compare versions with operon node info",
  });
}

/** More bytes than a request, or a flush of them, may have. */
export function requestTooLarge(bytes: number, most: number): OperonError {
  return new OperonError({
    code: "wire.request_too_large",
    kind: "invalid_argument",
    message: `The request has ${bytes} bytes, more than ${most}`,
    hint: "Send bulk data as the call's stream",
  });
}

/** Why calls cannot be made, or did not come to an end. */
export function sessionClosed(why: string): OperonError {
  return new OperonError({
    code: "wire.session_closed",
    kind: "unavailable",
    message: `The session with the peer ended: ${why}`,
    hint: "Try again; operon node ping NODE shows whether the peer is reachable",
  });
}

/** A message for a stream nobody opened. */
export function streamUnknown(): OperonError {
  return new OperonError({
    code: "wire.stream_unknown",
    kind: "data_loss",
    message: "A peer wrote to a stream that was never opened",
    hint: "The peer's software breaks the protocol; compare versions with operon node info",
  });
}

/** A node's name that does not fit a message. */
export function nameTooLong(): OperonError {
  return new OperonError({
    code: "wire.name_too_long",
    kind: "invalid_argument",
    message: `The name of a node has more than ${NAME_BYTES_MAX} bytes`,
    hint: "operon node list shows the nodes by name",
  });
}
