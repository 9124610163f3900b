// What a node says of itself on the local network: name, endpoint and key, as records of DNS-based service discovery.
// It must never believe more of what it reads than that somebody said so, nor let anything through that is not exactly in form.
// Next: announcer.ts says it, listen.ts hears it, discover.ts judges it; wire/PROTOCOL.md#discovery has the records.

import { PublicKey } from "../../identity/key.ts";
import { parseName } from "../../identity/name.ts";
import { parseEndpoint } from "../../wire/dial.ts";

/** DNS-SD type of a node (RFC 6763 section 4.1). */
export const SERVICE = "_operon._tcp.local";
/** How long others may keep the records (seconds). */
const TTL_SECS = 120;
const LABEL_LENGTH_MAX = 40;
const ENDPOINT_LENGTH_MAX = 200;
/** Records looked at in one packet: bounds the work a flood can cause. */
const RECORDS_MAX = 64;
const TEXTS_MAX = 16;

/** What a node says of itself. Nobody vouches for it. */
export interface Announcement {
  readonly name: string;
  readonly key: PublicKey;
  readonly endpoint: string;
}

/** A DNS record as the mDNS library takes and gives it. */
export interface DnsRecord {
  readonly type: string;
  readonly name: string;
  readonly ttl?: number | undefined;
  readonly data?: unknown;
}

/** The records of a DNS message. */
export interface DnsRecords {
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** The announcements in a message, and how many records claim to be one and are not in form. */
export interface Heard {
  readonly announcements: readonly Announcement[];
  readonly malformed: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Name of the node's records; two nodes of one name have different ones. */
export function instanceName({ name, key }: Announcement): string {
  const label = name.replaceAll(".", "-").slice(0, LABEL_LENGTH_MAX);
  return `${label}-${key.fingerprint}.${SERVICE}`;
}

/** The records that say it. @param address of the interface they go out on */
export function recordsOf(announcement: Announcement, address: string): DnsRecords {
  const { name, key, endpoint } = announcement;
  const instance = instanceName(announcement);
  const host = `${instance.slice(0, instance.indexOf("."))}.local`;
  const { port, protocol } = new URL(endpoint);
  const target = { port: Number(port || (protocol === "wss:" ? 443 : 80)), target: host };
  const texts = ["v=1", `name=${name}`, `key=${key.id}`, `endpoint=${endpoint}`];
  return {
    answers: [{ type: "PTR", name: SERVICE, ttl: TTL_SECS, data: instance }],
    additionals: [
      { type: "SRV", name: instance, ttl: TTL_SECS, data: target },
      { type: "TXT", name: instance, ttl: TTL_SECS, data: texts },
      { type: "A", name: host, ttl: TTL_SECS, data: address },
    ],
  };
}

/** Reads a message; only TXT records of the service matter. */
export function announcementsIn({ answers, additionals }: DnsRecords): Heard {
  const announcements: Announcement[] = [];
  let malformed = 0;
  for (const { type, name, ttl, data } of [...answers, ...additionals].slice(0, RECORDS_MAX)) {
    // A time to live of 0 takes a record back (RFC 6762 section 10.1).
    if (type !== "TXT" || !name.endsWith(`.${SERVICE}`) || ttl === 0) continue;
    const announcement = parseTexts(data);
    if (announcement) announcements.push(announcement);
    else malformed++;
  }
  return { announcements, malformed };
}

function parseTexts(data: unknown): Announcement | undefined {
  const fields = fieldsOf(data);
  if (fields?.get("v") !== "1") return undefined;
  const endpoint = fields.get("endpoint") ?? "";
  try {
    const name = parseName(fields.get("name") ?? "", "node");
    const key = PublicKey.parse(fields.get("key") ?? "");
    if (name === "local" || endpoint.length > ENDPOINT_LENGTH_MAX) return undefined;
    // What would have to be normalised is not in form; that also keeps control bytes and spaces out.
    return parseEndpoint(endpoint) === endpoint ? { name, key, endpoint } : undefined;
  } catch {
    return undefined;
  }
}

/** `undefined` for what is no list of `field=value`, or has a field twice. */
function fieldsOf(data: unknown): ReadonlyMap<string, string> | undefined {
  if (!Array.isArray(data) || data.length > TEXTS_MAX) return undefined;
  const fields = new Map<string, string>();
  for (const item of data) {
    const text = item instanceof Uint8Array ? decoded(item) : undefined;
    const end = text?.indexOf("=") ?? -1;
    if (text === undefined || end < 1 || fields.has(text.slice(0, end))) return undefined;
    fields.set(text.slice(0, end), text.slice(end + 1));
  }
  return fields;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
