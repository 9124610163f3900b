// The audit log a node writes, opened; or what stands for one that cannot be: nothing but looking at the damage is allowed then.
// It must never pretend that an entry was kept.
// Next: audit/log.ts is the log; authority.ts refuses calls while `failure` is set.

import { AuditLog } from "../audit/log.ts";
import type { Clock } from "../clock.ts";
import { type OperonError, toOperonError } from "../error.ts";
import type { KeyPair } from "../identity/key.ts";
import { FRESHNESS_WINDOW_MS } from "../limits.ts";
import type { AuditWriter } from "./authority.ts";

/** What opening needs. */
export interface NodeAuditOptions {
  /** The log's folder. */
  readonly path: string;
  readonly key: KeyPair;
  readonly clock: Clock;
  /** Whether the answer to a read waits until its entry is durable. */
  readonly readsMode: "strict" | "relaxed";
  /** Opens even when the log is damaged: every entry is refused then. */
  readonly inspectsDamage: boolean;
  readonly notice: (text: string) => void;
}

/** @throws OperonError `audit.*` */
export async function openNodeAudit(options: NodeAuditOptions): Promise<AuditWriter> {
  const { path, key, clock, readsMode, inspectsDamage, notice } = options;
  try {
    const audit = await AuditLog.open(path, { key, clock, readsMode });
    const behindMs = audit.lastTimeMs - clock.nowMs();
    if (behindMs > FRESHNESS_WINDOW_MS) notice(clockBehind(behindMs, audit.lastTimeMs));
    return audit;
  } catch (error) {
    if (!inspectsDamage) throw error;
    return brokenAudit(toOperonError(error));
  }
}

/** A log that refuses every entry with the reason it could not be opened. */
function brokenAudit(failure: OperonError): AuditWriter {
  const refuse = () => {
    const refused = Promise.reject(failure);
    refused.catch(() => {});
    return refused;
  };
  return {
    failure,
    lastTimeMs: 0,
    append: refuse,
    appendRelaxed: refuse,
    flush: async () => {},
    close: async () => {},
  };
}

function clockBehind(behindMs: number, untilMs: number): string {
  const until = new Date(untilMs).toISOString();
  return (
    `The clock is ${Math.round(behindMs / 1000)} s behind the newest entry of the audit log. Set it right, or other keys' ` +
    `requests are refused until ${until}: some might have been served before. If it is the log's time that was wrong, ` +
    "move the audit folder aside and start again"
  );
}
