// The publisher's two operations: offering a service, and taking up the connections that are announced for it.
// It must never let anyone publish but those the configuration names, nor take up what was not announced to them.
// Next: offer.ts keeps what waits; linked.ts carries the bytes.

import { systemClock } from "../../clock.ts";
import type { Handlers } from "../../contract/capability.ts";
import type { Directory } from "./directory.ts";
import { directoryOf } from "./directory.ts";
import { Guard } from "./guard.ts";
import { linked } from "./linked.ts";
import { Offer } from "./offer.ts";
import type { operations } from "./schema.ts";

type PublisherHandlers = Pick<Handlers<typeof operations, "settings">, "publish" | "accept">;

/** Handlers of `service.publish` and `service.accept`. */
export const publisherHandlers: PublisherHandlers = {
  async *publish({ id }, call) {
    const directory = directoryOf(call.services.settings);
    const service = directory.find(id);
    if (!service) throw call.fail("unknown", { service: id });
    if (!service.published_by?.includes(call.principal.name))
      throw call.fail("not_publisher", { service: id });
    const before = directory.offers.get(id);
    if (before && before.publisher !== call.principal.id) throw call.fail("taken", { service: id });
    // The one before may be left over from a connection that broke without a word.
    before?.over.cancel(call.fail("replaced", { service: id }));
    const offer = new Offer({ service: id, publisher: call.principal.id }, directory.waiting);
    using _offered = offered(directory, offer);
    const abort = () => offer.over.cancel(call.signal.reason);
    call.signal.addEventListener("abort", abort, { once: true });
    using _guard = new Guard(service, {
      directory,
      clock: systemClock,
      idleTimeoutSecs: undefined,
      cut: () => offer.over.cancel(call.fail("withdrawn", { service: id })),
    });
    yield { event: "published" };
    for await (const connection of offer.arrivals()) yield { event: "connection", connection };
    return { connections: offer.announced };
  },

  async *accept({ id, connection, refused }, call) {
    const { waiting } = directoryOf(call.services.settings);
    const found = waiting.get(connection);
    if (!found || found.service !== id || found.publisher !== call.principal.id)
      throw call.fail("unknown");
    if (refused) {
      found.refuse();
      return { sent_bytes: 0, received_bytes: 0 };
    }
    const link = found.take(call);
    yield* linked(link, {
      side: "acceptor",
      endSending: () => call.endSending(),
      broken: () => call.fail("broken", { service: id }),
    });
    return { sent_bytes: link.bytes.toConnector, received_bytes: link.bytes.toAcceptor };
  },
};

function offered(directory: Directory, offer: Offer): Disposable {
  directory.offers.set(offer.service, offer);
  return {
    [Symbol.dispose]() {
      if (directory.offers.get(offer.service) === offer) directory.offers.delete(offer.service);
      offer.over.cancel(undefined);
    },
  };
}
