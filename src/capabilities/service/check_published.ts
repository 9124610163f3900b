// Whether a published service answers: tried as whoever connects to it would, through whoever offers it.
// It must never take the offer for the service: what is behind it may be gone.
// Next: check.ts tries what the node reaches by itself; offer.ts carries the connection.

import { systemClock } from "../../clock.ts";
import { Cancellation } from "../../wire/cancellation.ts";
import { type Health, httpRequest, readHttp, silent } from "./check.ts";
import { untilCut } from "./linked.ts";
import type { Link, NoLink, Offer } from "./offer.ts";
import type { ServiceSettings } from "./settings.ts";

/** What it is tried through. */
export interface PublishedCheckOptions {
  readonly offer: Offer | undefined;
  readonly signal: AbortSignal;
}

/** Tries the service. @throws the signal's reason */
export async function checkPublished(
  service: ServiceSettings,
  { offer, signal }: PublishedCheckOptions,
): Promise<Health> {
  if (!offer) return { state: "down", detail: "Nobody offers it now" };
  const { promise: seen, resolve: hasSeen } = Promise.withResolvers<void>();
  const isHttp = service.protocol === "http";
  const incoming = isHttp ? requestUntil(service, seen) : nothing();
  const link = await offer.connect({ incoming, signal }, service.dial_timeout_secs);
  signal.throwIfAborted();
  if (typeof link === "string") return { state: "down", detail: whyNot(link, service) };
  try {
    const health: Health = isHttp ? await readStatus(link, service) : { state: "up" };
    signal.throwIfAborted();
    return health;
  } finally {
    // In order: whoever offers it has carried a connection like any other, and none that broke.
    hasSeen();
    link.connectorServed.resolve();
  }
}

/** The direction towards the service stays open until its answer is seen: some take its end for a caller's leaving. */
async function* requestUntil(
  service: ServiceSettings,
  seen: Promise<void>,
): AsyncGenerator<Uint8Array, undefined> {
  yield httpRequest(service);
  await seen;
}

async function* nothing(): AsyncGenerator<Uint8Array, undefined> {}

async function readStatus(link: Link, service: ServiceSettings): Promise<Health> {
  const end = new Cancellation();
  let isLate = false;
  using _timer = systemClock.after(service.dial_timeout_secs * 1000, () => {
    isLate = true;
    end.cancel(undefined);
  });
  const forget = link.cut.onCancel(() => end.cancel(undefined));
  try {
    const health = await readHttp(untilCut(link.acceptor.incoming, end));
    if (isLate) return silent(service);
    return link.cut.isCancelled && health.status === undefined
      ? { state: "down", detail: "The connection was cut off" }
      : health;
  } finally {
    forget();
  }
}

function whyNot(reason: NoLink, { dial_timeout_secs }: ServiceSettings): string {
  switch (reason) {
    case "refused":
      return "It is offered, and what is behind the offer does not take a connection";
    case "late":
      return `It is offered, and whoever offers it took no connection within ${dial_timeout_secs} s`;
    case "busy":
      return "It is offered, and too many connections wait for whoever offers it";
    case "over":
      return "Nobody offers it any more";
  }
}
