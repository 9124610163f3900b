// Serves callers of the same user over the local socket: they use the daemon's warm sessions.
// It must never give a caller more than its key has: with the home's key it acts as this node, with its own as itself.
// Next: wire/local.ts checks who connects; bridge.ts carries the calls; local_caller.ts is the other end.

import type { Clock } from "../clock.ts";
import type { KeyPair } from "../identity/key.ts";
import type { LocalChannel } from "../wire/local.ts";
import { LocalListener } from "../wire/local_listener.ts";
import { Session } from "../wire/session.ts";
import { bridge } from "./bridge.ts";

/** What the door needs. */
export interface LocalDoorOptions {
  readonly path: string;
  readonly key: KeyPair;
  readonly clock: Clock;
  readonly software: string;
  /** A session to a node by name; the own node's names give one to itself. */
  readonly session: (node: string) => Promise<Session>;
}

/** Opens the door; disposing closes it and every local session. */
export function openLocalDoor(options: LocalDoorOptions): Disposable {
  const sessions = new Set<Session>();
  const listener = new LocalListener(options.path, (channel) => {
    const session = localSession(channel, options, () => sessions.delete(session));
    sessions.add(session);
  });
  return {
    [Symbol.dispose]() {
      listener[Symbol.dispose]();
      for (const session of sessions) session.close("");
    },
  };
}

function localSession(
  channel: LocalChannel,
  options: LocalDoorOptions,
  closed: () => void,
): Session {
  const { key, clock, software } = options;
  return new Session({
    channel,
    role: "responder",
    key,
    peer: undefined,
    clock,
    replay: undefined,
    software,
    events: {
      request: () => {},
      local: (message) => {
        const sent = options.session(message.node).then((session) => session.call(message.bytes));
        void bridge(message, sent);
      },
      relay: ({ node, batch, requests }) => {
        const sent = options.session(node).then((session) =>
          session.forward(
            batch,
            requests.map((request) => request.bytes),
          ),
        );
        requests.forEach((request, index) => {
          const one = sent.then((calls) => calls[index] as (typeof calls)[number]);
          void bridge(request, one);
        });
      },
      closed,
    },
  });
}
