// Runs the handshake over a pipe and hands the sealed channel on, before another message can arrive.
// It must never wait longer than HANDSHAKE_TIMEOUT_MS nor keep a pipe whose handshake failed.
// Next: handshake.ts has the cryptography; dial.ts and listener.ts make the pipes.

import type { Clock } from "../clock.ts";
import { OperonError, toOperonError } from "../error.ts";
import type { KeyPair, PublicKey } from "../identity/key.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../limits.ts";
import type { MessagePipe } from "./channel.ts";
import { HandshakeInitiator, HandshakeResponder, type SessionKeys } from "./handshake.ts";
import { SealedChannel } from "./sealed.ts";

/** What both sides of an exchange need. */
export interface ExchangeOptions {
  readonly pipe: MessagePipe;
  readonly key: KeyPair;
  readonly clock: Clock;
  /** Called at most once, synchronously with the last handshake message. A throw closes the pipe. */
  readonly established: (channel: SealedChannel, keys: SessionKeys) => void;
  /** Called at most once, when the handshake did not succeed. The pipe is closed already. */
  readonly failed: (error: OperonError) => void;
}

/** WebSocket close code for a peer that broke a rule (RFC 6455 7.4.1). */
const POLICY_VIOLATION = 1008;

/** The dialling side: sends its message at once. */
export function startHandshake(
  options: ExchangeOptions & { readonly expected: PublicKey | undefined },
): void {
  const { expected } = options;
  const initiator = new HandshakeInitiator({ key: options.key, ...(expected ? { expected } : {}) });
  exchange(options, (message) => {
    const { message: reply, session } = initiator.receive(message);
    options.pipe.send(reply);
    return session;
  });
  options.pipe.send(initiator.message);
}

/** The listening side: waits for the other's message. */
export function answerHandshake(options: ExchangeOptions): void {
  const responder = new HandshakeResponder({ key: options.key });
  let isGreeted = false;
  exchange(options, (message) => {
    if (isGreeted) return responder.finish(message);
    isGreeted = true;
    options.pipe.send(responder.receive(message));
    return undefined;
  });
}

function exchange(
  options: ExchangeOptions,
  step: (message: Uint8Array) => SessionKeys | undefined,
): void {
  const { pipe } = options;
  let isOver = false;
  const fail = (error: OperonError) => {
    if (isOver) return;
    isOver = true;
    timer[Symbol.dispose]();
    pipe.receive = undefined;
    pipe.closed = undefined;
    pipe.close(POLICY_VIOLATION, error.code);
    options.failed(error);
  };
  const timer = options.clock.after(HANDSHAKE_TIMEOUT_MS, () => fail(handshakeTimeout()));
  pipe.closed = (reason) => fail(handshakeRefused(reason));
  pipe.receive = (message) => {
    try {
      const keys = step(message);
      if (!keys || isOver) return;
      isOver = true;
      timer[Symbol.dispose]();
      const channel = new SealedChannel(pipe, keys);
      options.established(channel, keys);
    } catch (error) {
      if (isOver) pipe.close(POLICY_VIOLATION, "");
      fail(toOperonError(error));
    }
  };
}

function handshakeTimeout(): OperonError {
  return new OperonError({
    code: "wire.handshake_timeout",
    kind: "unavailable",
    message: `The peer did not finish the handshake within ${HANDSHAKE_TIMEOUT_MS / 1000} s`,
    hint: "Check that an operon daemon listens at this endpoint",
  });
}

function handshakeRefused(reason: string): OperonError {
  return new OperonError({
    code: "wire.handshake_refused",
    kind: "unavailable",
    message: `The peer closed the connection during the handshake${reason === "" ? "" : ` (${reason})`}`,
    hint: "Check that the endpoint is an operon node of the same protocol version",
  });
}
