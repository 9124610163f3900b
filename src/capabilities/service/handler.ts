// Handlers of `service`: finds the configured service, dials it, joins it with the call.
// It must never dial anything but what the configuration has for the id, and what was audited.
// Next: directory.ts finds, joined.ts and datagrams.ts carry, publish.ts is the publisher's side.

import { systemClock } from "../../clock.ts";
import type { Handlers } from "../../contract/capability.ts";
import type { Services } from "../../contract/services.ts";
import type { OperonError } from "../../error.ts";
import { checkService, dialService } from "./check.ts";
import { checkPublished } from "./check_published.ts";
import { exchangeDatagrams } from "./datagrams.ts";
import { type Directory, directoryOf, targetOf } from "./directory.ts";
import { type CutReason, Guard } from "./guard.ts";
import { type ConnectCall, joined, type Traffic } from "./joined.ts";
import { linked } from "./linked.ts";
import { publisherHandlers } from "./publish.ts";
import type { operations } from "./schema.ts";
import type { ServiceSettings } from "./settings.ts";

/** What the audit log keeps of a call: where the service was when it was decided. */
export function serviceFacts(
  { id }: { readonly id: string },
  { settings }: Pick<Services, "settings">,
): { readonly target?: string } {
  const service = directoryOf(settings).find(id);
  return service ? { target: targetOf(service) } : {};
}

/** One handler per operation. */
export const handlers: Handlers<typeof operations, "settings"> = {
  ...publisherHandlers,

  async list(_input, call) {
    const directory = directoryOf(call.services.settings);
    const mayUse = ({ id }: ServiceSettings) =>
      ["service.connect", "service.check", "service.publish"].some((as) =>
        call.authorize({ resource: `service:${id}`, as }),
      );
    return {
      services: directory.services.filter(mayUse).map((service) => ({
        id: service.id,
        protocol: service.protocol,
        target: targetOf(service),
        available: service.published_by === undefined || directory.offers.has(service.id),
        ...(service.description === undefined ? {} : { description: service.description }),
      })),
    };
  },

  async check({ id }, call) {
    const { directory, service } = findService(id, call);
    const startMs = systemClock.monotonicMs();
    const health = service.published_by
      ? await checkPublished(service, { offer: directory.offers.get(id), signal: call.signal })
      : await checkService(service, call.signal);
    return {
      id,
      protocol: service.protocol,
      target: targetOf(service),
      ...health,
      duration_ms: Math.round((systemClock.monotonicMs() - startMs) * 1000) / 1000,
      exit_code: health.state === "down" ? 1 : 0,
    };
  },

  async *connect({ id }, call) {
    const { directory, service } = findService(id, call);
    if (service.protocol === "udp") throw call.fail("wrong_protocol", { service: id });
    using slot = directory.enter(call.principal.id, service);
    if (!slot) throw call.fail("too_many", { connections_max: service.connections_max });
    const parts = { call, service, directory };
    if (service.published_by) return yield* connectPublished(parts);
    const stream = await dialService(service, call.signal).catch((error) => {
      call.signal.throwIfAborted();
      throw call.fail("unreachable", { service: id, reason: (error as Error).message }, error);
    });
    return yield* joined(stream, parts);
  },

  async *datagrams({ id }, call) {
    const { directory, service } = findService(id, call);
    if (service.protocol !== "udp") throw call.fail("wrong_protocol", { service: id });
    using slot = directory.enter(call.principal.id, service);
    if (!slot) throw call.fail("too_many", { connections_max: service.connections_max });
    return yield* exchangeDatagrams(service, { call, directory });
  },
};

interface FindingCall {
  readonly services: Pick<Services, "settings">;
  readonly facts: Readonly<Record<string, unknown>>;
  fail(name: "unknown", data: Readonly<Record<string, unknown>>): OperonError;
}

function findService(id: string, call: FindingCall) {
  const directory = directoryOf(call.services.settings);
  const service = directory.find(id);
  // A configuration that changed since the call was decided and audited leads nowhere.
  if (!service || targetOf(service) !== call.facts.target)
    throw call.fail("unknown", { service: id });
  return { directory, service };
}

interface PublishedParts {
  readonly call: ConnectCall;
  readonly service: ServiceSettings;
  readonly directory: Directory;
}

async function* connectPublished({
  call,
  service,
  directory,
}: PublishedParts): AsyncGenerator<Uint8Array, Traffic, undefined> {
  const { id, dial_timeout_secs, idle_timeout_secs } = service;
  const offer = directory.offers.get(id);
  if (!offer) throw call.fail("not_published", { service: id });
  const link = await offer.connect(call, dial_timeout_secs);
  call.signal.throwIfAborted();
  if (typeof link === "string") throw call.fail("unreachable", { service: id, reason: link });
  let why: CutReason | undefined;
  using guard = new Guard(service, {
    directory,
    clock: systemClock,
    idleTimeoutSecs: idle_timeout_secs,
    cut: (reason) => {
      why = reason;
      link.cut.cancel(undefined);
    },
  });
  yield* linked(link, {
    side: "connector",
    endSending: () => call.endSending(),
    moved: () => guard.touch(),
    broken: () => call.fail(why ?? "broken", { service: id }),
  });
  return { sent_bytes: link.bytes.toAcceptor, received_bytes: link.bytes.toConnector };
}
